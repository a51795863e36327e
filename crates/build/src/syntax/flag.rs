//! Flags of an instruction: `--mount=type=cache,target=/x --network=none`.

use super::text::Text;
use super::word::Word;

/// One flag, quotes and escapes taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawFlag {
    pub(crate) word: Word,
}

impl RawFlag {
    /// The name without its dashes, and the value if there is an `=`.
    pub(crate) fn parts(&self) -> (&str, Option<&str>) {
        let text = self.word.text.trim_start_matches('-');
        text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)))
    }
}

/// Takes the words that begin with `--` off the front, up to the first other word or a bare `--`.
pub(super) fn split_flags(text: &Text, escape: char) -> (Vec<RawFlag>, Text) {
    let line = text.as_str();
    let mut flags = Vec::new();
    let mut at = 0;
    loop {
        at += line[at..].len() - line[at..].trim_start().len();
        if !line[at..].starts_with("--") {
            return (flags, text.slice(at..line.len()));
        }
        let (word, end) = read_word(&line[at..], escape);
        let span = text.span_of(at..at + end);
        at += end;
        if word == "--" {
            return (flags, text.slice(at..line.len()));
        }
        flags.push(RawFlag { word: Word { text: word, span } });
    }
}

/// Reads up to a blank outside quotes; returns the word without quotes and escapes, and where it ends.
fn read_word(text: &str, escape: char) -> (String, usize) {
    let mut word = String::new();
    let mut quote = None;
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match quote {
            None if letter.is_whitespace() => return (word, at),
            None if letter == '\'' || letter == '"' => quote = Some(letter),
            Some(open) if letter == open => quote = None,
            _ if letter == escape => word.extend(letters.next().map(|(_, escaped)| escaped)),
            _ => word.push(letter),
        }
    }
    (word, text.len())
}
