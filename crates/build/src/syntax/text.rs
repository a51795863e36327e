//! A logical line: text pieced together from several lines of the source, with where each piece came from.

use std::ops::Range;

use crate::source::Span;

/// Text whose every byte knows its place in the source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Text {
    text: String,
    /// Where a piece starts in `text`, and where in the source; in order.
    pieces: Vec<(usize, usize)>,
}

impl Text {
    /// Appends a piece of the source that stands at `at`.
    pub(crate) fn push(&mut self, piece: &str, at: usize) {
        self.pieces.push((self.text.len(), at));
        self.text.push_str(piece);
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Returns a part; `range` lies on character borders.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        let text = self.text[range.clone()].to_owned();
        let first = self.pieces.partition_point(|(start, _)| *start <= range.start).saturating_sub(1);
        let pieces = self.pieces[first..]
            .iter()
            .take_while(|(start, _)| *start <= range.end)
            .map(|&(start, at)| match start.checked_sub(range.start) {
                Some(start) => (start, at),
                None => (0, at + (range.start - start)),
            })
            .collect();
        Self { text, pieces }
    }

    pub(crate) fn trim_start(&self) -> Self {
        self.slice(self.text.len() - self.text.trim_start().len()..self.text.len())
    }

    pub(crate) fn trim(&self) -> Self {
        let start = self.text.len() - self.text.trim_start().len();
        self.slice(start..start + self.text.trim().len())
    }

    /// Returns where all of it stands in the source.
    pub(crate) fn span(&self) -> Span {
        self.span_of(0..self.text.len())
    }

    /// Returns where a part stands in the source.
    pub(crate) fn span_of(&self, range: Range<usize>) -> Span {
        let start = self.source_place(range.start);
        // The end is that of the last byte, so that it does not jump to the next line.
        let end = match range.end.checked_sub(1) {
            Some(last) if last >= range.start => self.source_place(last) + 1,
            _ => start,
        };
        Span::new(start, end.max(start))
    }

    fn source_place(&self, at: usize) -> usize {
        let piece = self.pieces.partition_point(|(start, _)| *start <= at).checked_sub(1);
        piece.map_or(0, |piece| self.pieces[piece].1 + (at - self.pieces[piece].0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_know_their_place() {
        let mut text = Text::default();
        text.push("RUN a ", 10);
        text.push("  b c", 100);
        assert_eq!(text.span_of(4..5), Span::new(14, 15));
        assert_eq!(text.span_of(8..9), Span::new(102, 103));
        let rest = text.slice(8..11);
        assert_eq!((rest.as_str(), rest.span()), ("b c", Span::new(102, 105)));
        let across = text.slice(4..9);
        assert_eq!((across.as_str(), across.span()), ("a   b", Span::new(14, 103)));
        assert_eq!(across.slice(4..5).span(), Span::new(102, 103));
        assert_eq!(text.slice(11..11).span(), Span::new(105, 105));
    }
}
