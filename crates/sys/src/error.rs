//! One error type for system calls: what was tried, on which object, and the kernel's answer.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::Path;

use rustix::io::Errno;

/// A failed system call with the object it was about.
#[derive(Debug)]
pub struct Error {
    what: String,
    source: io::Error,
}

/// Result of a system call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Makes an error; `what` reads like "cannot open `/proc/1/ns/user`".
    pub fn new(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self { what: what.into(), source: source.into() }
    }

    /// Returns the kernel's error number, if that was the cause.
    pub fn errno(&self) -> Option<Errno> {
        self.source.raw_os_error().map(Errno::from_raw_os_error)
    }

    /// Returns what was tried, without the cause.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Whether the object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.errno() == Some(Errno::NOENT)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(&self.what))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Returns a text as it may be shown: names of files come from strangers, and what is no letter in them would break the
/// line, or mean something to the terminal.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_misleading) {
        return Cow::Borrowed(text);
    }
    let escaped = |letter: char| match is_misleading(letter) {
        true => letter.escape_default().to_string(),
        false => letter.to_string(),
    };
    Cow::Owned(text.chars().map(escaped).collect())
}

/// Whether a letter is none: controls, other ends of lines, and what turns the direction of writing (CVE-2021-42574).
fn is_misleading(letter: char) -> bool {
    let turns = ['\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}'];
    letter.is_control()
        || turns.contains(&letter)
        || ('\u{202a}'..='\u{202e}').contains(&letter)
        || ('\u{2066}'..='\u{2069}').contains(&letter)
}

/// Adds the object to the error of a system call.
pub trait Context<T> {
    /// Names what was tried: "cannot mount proc".
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;

    /// Names the verb and the path: "cannot open `/x`".
    fn on_path(self, verb: &str, path: &Path) -> Result<T>
    where
        Self: Sized,
    {
        self.context(|| format!("cannot {verb} `{}`", path.display()))
    }
}

impl<T, E: Into<io::Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::new(what(), source))
    }
}

#[cfg(test)]
#[test]
fn a_name_breaks_no_line_and_speaks_to_no_terminal() {
    assert_eq!(one_line("plain `näme`"), "plain `näme`");
    assert_eq!(one_line("a\nb\u{1b}[31mc\r"), "a\\nb\\u{1b}[31mc\\r");
    assert_eq!(one_line("txt.\u{202e}exe"), "txt.\\u{202e}exe");
}
