//! What a command answered, with assertions that show all of it when they fail.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

/// Exit code and output of a command that has ended.
#[derive(Clone)]
pub struct Output {
    /// As a shell would give it: 128+n after signal n.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    /// Standard output before it was made text.
    pub stdout_bytes: Vec<u8>,
    /// From start to end.
    pub took: Duration,
    /// What was run, as a person would type it.
    pub command: String,
}

impl Output {
    pub(crate) fn new(command: String, status: ExitStatus, out: Vec<u8>, err: &[u8], took: Duration) -> Self {
        Self {
            code: status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(-1),
            stdout: String::from_utf8_lossy(&out).into_owned(),
            stderr: String::from_utf8_lossy(err).into_owned(),
            stdout_bytes: out,
            took,
            command,
        }
    }

    /// Asserts success.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.expect("success", |o| o.code == 0)
    }

    /// Asserts an exit code.
    #[track_caller]
    pub fn fails_with(self, code: i32) -> Self {
        self.expect(&format!("exit code {code}"), |o| o.code == code)
    }

    /// Asserts that standard output is this, up to white space around it.
    #[track_caller]
    pub fn prints(self, text: &str) -> Self {
        self.expect(&format!("to print `{text}`"), |o| o.stdout.trim() == text.trim())
    }

    /// Asserts that standard output holds this.
    #[track_caller]
    pub fn stdout_has(self, part: &str) -> Self {
        self.expect(&format!("`{part}` on standard output"), |o| o.stdout.contains(part))
    }

    /// Asserts that standard output does not hold this.
    #[track_caller]
    pub fn stdout_lacks(self, part: &str) -> Self {
        self.expect(&format!("no `{part}` on standard output"), |o| !o.stdout.contains(part))
    }

    /// Asserts that standard error holds this.
    #[track_caller]
    pub fn stderr_has(self, part: &str) -> Self {
        self.expect(&format!("`{part}` on standard error"), |o| o.stderr.contains(part))
    }

    /// Asserts that standard error is empty.
    #[track_caller]
    pub fn quiet(self) -> Self {
        self.expect("nothing on standard error", |o| o.stderr.is_empty())
    }

    /// Asserts that the error is one clear message which names each of these.
    #[track_caller]
    pub fn error_names(self, parts: &[&str]) -> Self {
        let errors = |o: &Self| o.stderr.lines().filter(|line| line.starts_with("error:")).count();
        let mut this = self.expect("one line that starts with `error:`", |o| errors(o) == 1);
        for part in parts {
            this = this.stderr_has(part);
        }
        this
    }

    /// Returns standard output without white space around it.
    pub fn text(&self) -> &str {
        self.stdout.trim()
    }

    /// Returns standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("not JSON: {error}\n{self}"))
    }

    #[track_caller]
    fn expect(self, what: &str, holds: impl FnOnce(&Self) -> bool) -> Self {
        assert!(holds(&self), "expected {what}\n{self}");
        self
    }
}

/// Returns text that a person can still read: of a long one, its beginning and its end.
pub(crate) fn shortened(text: &str) -> String {
    const SHOWN: usize = 2000;
    let text = text.trim_end();
    if text.len() <= 4 * SHOWN {
        return text.to_owned();
    }
    let head: String = text.chars().take(SHOWN).collect();
    let mut tail: Vec<char> = text.chars().rev().take(SHOWN).collect();
    tail.reverse();
    format!("{head}\n… {} bytes in all …\n{}", text.len(), tail.iter().collect::<String>())
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "$ {}\nexit code {} after {:.1?}", self.command, self.code, self.took)?;
        writeln!(f, "--- standard output\n{}", shortened(&self.stdout))?;
        writeln!(f, "--- standard error\n{}", shortened(&self.stderr))
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{self}")
    }
}
