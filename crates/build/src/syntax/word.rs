//! Words of a statement. Quotes and escapes stay in them: they are taken away when variables are put in.

use super::is_blank;
use super::text::Text;
use crate::source::Span;

/// A word with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    pub span: Span,
}

impl Text {
    /// All of it as one word.
    pub(crate) fn word(&self) -> Word {
        Word { text: self.as_str().to_owned(), span: self.span() }
    }

    /// Splits at blanks, whatever quotes say: as FROM, EXPOSE, COPY and ADD do.
    pub(crate) fn split_blanks(&self) -> Vec<Word> {
        let text = self.as_str();
        let mut words = Vec::new();
        let mut start = None;
        for (at, letter) in text.char_indices().chain([(text.len(), ' ')]) {
            match start {
                None if !is_blank(letter) => start = Some(at),
                Some(begin) if is_blank(letter) => {
                    words.push(self.slice(begin..at).word());
                    start = None;
                }
                _ => {}
            }
        }
        words
    }
}

/// Splits at blanks outside quotes; an escape character keeps its successor from meaning anything.
pub(crate) fn words_of(text: &Text, escape: char) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word: Option<(usize, String)> = None;
    let mut quote = None;
    let mut letters = text.as_str().char_indices();
    let mut finish = |word: &mut Option<(usize, String)>, end: usize| {
        if let Some((start, letters)) = word.take().filter(|(_, letters)| !letters.is_empty()) {
            words.push(Word { text: letters, span: text.span_of(start..end) });
        }
    };
    while let Some((at, letter)) = letters.next() {
        if quote.is_none() && letter.is_whitespace() {
            finish(&mut word, at);
            continue;
        }
        let (_, current) = word.get_or_insert((at, String::new()));
        match quote {
            None if letter == '\'' || letter == '"' => quote = Some(letter),
            Some(open) if letter == open => quote = None,
            _ => {}
        }
        if letter == escape && quote != Some('\'') {
            // At the very end it means nothing and goes.
            let Some((_, escaped)) = letters.next() else { break };
            current.push(letter);
            current.push(escaped);
        } else {
            current.push(letter);
        }
    }
    finish(&mut word, text.as_str().len());
    words
}

/// What a list in brackets turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum JsonList {
    Strings(Vec<String>),
    /// A JSON list with something in it that is no string.
    NotStrings,
    /// No JSON: the text means itself.
    No,
}

/// Reads `["a", "b"]`.
pub(crate) fn json_list(text: &str) -> JsonList {
    if !text.trim_start().starts_with('[') {
        return JsonList::No;
    }
    match serde_json::from_str::<Vec<serde_json::Value>>(text) {
        Err(_) => JsonList::No,
        Ok(values) => {
            let strings: Option<Vec<String>> =
                values.into_iter().map(|value| value.as_str().map(str::to_owned)).collect();
            strings.map_or(JsonList::NotStrings, JsonList::Strings)
        }
    }
}
