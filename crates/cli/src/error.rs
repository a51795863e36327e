//! How a command line fails: one line, perhaps a hint, and an exit code.

use std::fmt;

use crate::grammar::Invalid;
use crate::text::kernel_words;

/// Exit code of Docker for flags that do not read, and for containers that cannot be made.
pub const BAD_USAGE: u8 = 125;

/// Why a command line was not understood or not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    pub text: String,
    pub hint: Option<String>,
    pub code: u8,
}

impl Failure {
    /// Makes a failure without hint.
    pub fn new(code: u8, text: impl Into<String>) -> Self {
        Self { text: text.into(), hint: None, code }
    }

    /// Adds what to do now.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Puts what was being done in front.
    pub(crate) fn before(self, what: &str) -> Self {
        Self { text: format!("{what}{}", self.text), ..self }
    }

    /// Makes a failure from a value that does not read.
    pub(crate) fn from_invalid(invalid: &Invalid, code: u8) -> Self {
        Self { text: invalid.to_string(), hint: invalid.hint_text().map(str::to_owned), code }
    }

    /// Makes a failure from an error and its causes, joined by colons.
    pub fn from_error(error: &(dyn std::error::Error + 'static), code: u8) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        Self { text: kernel_words(&text), hint: None, code }
    }

    /// Returns the lines for standard error.
    pub fn render(&self) -> String {
        let text = for_terminal(&self.text);
        match &self.hint {
            Some(hint) => format!("error: {text}\nhint: {}\n", for_terminal(hint)),
            None => format!("error: {text}\n"),
        }
    }
}

/// Escapes what would mean something to a terminal: names in a text may be a stranger's. Lines and tabs stay, which
/// excerpts have.
fn for_terminal(text: &str) -> String {
    let line = |line: &str| {
        let parts: Vec<_> = line.split('\t').map(sys::one_line).collect();
        parts.join("\t")
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// Why parsing ends without a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// This text was asked for (help, version): standard output, exit code 0.
    Print(String),
    Fail(Failure),
}

impl From<Failure> for Exit {
    fn from(failure: Failure) -> Self {
        Self::Fail(failure)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Print(text) => f.write_str(text),
            Self::Fail(failure) => f.write_str(&failure.render()),
        }
    }
}

#[cfg(test)]
#[test]
fn an_error_says_nothing_to_the_terminal() {
    let failure = Failure::new(1, "bad name `\u{1b}]0;title\u{7}x`\n  |\tCOPY a\n");
    assert_eq!(failure.render(), "error: bad name `\\u{1b}]0;title\\u{7}x`\n  |\tCOPY a\n\n");
}
