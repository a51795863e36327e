//! Lines of the source, and logical lines: what the escape character at a line's end joins.

use super::heredoc::{Heredoc, chomp};
use super::text::Text;
use crate::source::Span;

/// A logical line with the comments above it.
#[derive(Debug)]
pub(super) struct Logical {
    pub(super) text: Text,
    pub(super) comments: Vec<String>,
    /// The first empty line inside it, if there is one.
    pub(super) empty_continuation: Option<Span>,
}

/// A reader of lines.
pub(super) struct Lines<'a> {
    text: &'a str,
    at: usize,
    /// Where the last line that was read ends, without its newline.
    last_end: usize,
}

/// One line of the source without its end.
#[derive(Clone, Copy)]
pub(super) struct Physical<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    /// With its newline.
    whole: &'a str,
}

impl<'a> Lines<'a> {
    /// Begins at the start, behind a byte order mark.
    pub(super) fn new(text: &'a str) -> Self {
        let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Self { text, at, last_end: at }
    }

    /// Returns the next line without going past it.
    pub(super) fn peek(&self) -> Option<Physical<'a>> {
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return None;
        }
        let whole = rest.find('\n').map_or(rest, |newline| &rest[..=newline]);
        Some(Physical { text: whole.trim_end_matches(['\r', '\n']), at: self.at, whole })
    }

    /// Reads the next line.
    pub(super) fn next_physical(&mut self) -> Option<Physical<'a>> {
        let line = self.peek()?;
        self.at += line.whole.len();
        self.last_end = line.at + line.text.len();
        Some(line)
    }

    /// Where the last line that was read ends.
    pub(super) fn end_of_last(&self) -> usize {
        self.last_end
    }

    /// Reads the next line that is neither blank nor a comment, with all that it continues in.
    pub(super) fn next_logical(&mut self, escape: char) -> Option<Logical> {
        let mut comments = Vec::new();
        let first = loop {
            let line = self.next_physical()?;
            match comment(line.text) {
                // An empty comment, like an empty line, parts what is above from what is below.
                Some("") => comments.clear(),
                Some(comment) => comments.push(comment.to_owned()),
                None if line.text.trim_start().is_empty() => comments.clear(),
                None => break line,
            }
        };
        let mut logical = Logical { text: Text::default(), comments, empty_continuation: None };
        let indent = first.text.len() - first.text.trim_start().len();
        let (text, mut goes_on) = without_continuation(&first.text[indent..], escape);
        logical.text.push(text, first.at + indent);
        while goes_on {
            let Some(line) = self.next_physical() else { break };
            if comment(line.text).is_some() {
                continue;
            }
            if line.text.trim_start().is_empty() {
                logical.empty_continuation.get_or_insert(Span::new(line.at, line.at));
                continue;
            }
            let text;
            (text, goes_on) = without_continuation(line.text, escape);
            logical.text.push(text, line.at);
        }
        Some(logical)
    }

    /// Reads up to the line that closes a heredoc; `None` if none does.
    pub(super) fn heredoc(&mut self, marker: &Heredoc) -> Option<String> {
        let mut content = String::new();
        while let Some(line) = self.next_physical() {
            let candidate = if marker.chomp { line.text.trim_start_matches('\t') } else { line.text };
            if candidate == marker.name {
                return Some(if marker.chomp { chomp(&content) } else { content });
            }
            content.push_str(line.whole);
        }
        None
    }
}

/// Returns what a comment line says.
fn comment(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix('#').map(str::trim)
}

/// Takes the escape character off the end of a line; an escaped one is none.
fn without_continuation(line: &str, escape: char) -> (&str, bool) {
    let before = line.trim_end_matches([' ', '\t']).strip_suffix(escape);
    match before {
        Some(before) if !before.ends_with(escape) => (before, true),
        _ => (line, false),
    }
}
