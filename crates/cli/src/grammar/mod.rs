//! The small languages inside option values: pure functions from text to values, in Docker's words.

pub(crate) mod blkio;
pub(crate) mod boolean;
pub(crate) mod build;
pub(crate) mod build_cache;
pub(crate) mod capability;
pub(crate) mod change;
pub(crate) mod cpu;
pub(crate) mod detach_keys;
pub(crate) mod device;
pub(crate) mod duration;
pub(crate) mod env;
pub(crate) mod filter;
pub(crate) mod format;
pub(crate) mod host;
pub(crate) mod key_value;
pub(crate) mod log;
pub(crate) mod mount;
pub(crate) mod name;
pub(crate) mod namespace;
pub(crate) mod network;
pub(crate) mod number;
pub(crate) mod path;
pub(crate) mod platform;
pub(crate) mod port;
pub(crate) mod restart;
pub(crate) mod security;
pub(crate) mod size;
pub(crate) mod stream;
pub(crate) mod subnet;
pub(crate) mod sysctl;
pub(crate) mod time;
pub(crate) mod tmpfs;
pub(crate) mod ulimit;
pub(crate) mod volume;

/// Why a value does not read; the flag it was given to is named by whoever asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Invalid {
    text: String,
    hint: Option<String>,
    code: Option<u8>,
}

impl Invalid {
    /// Makes a reason.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), hint: None, code: None }
    }

    /// Adds what to write instead.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets an exit code of its own.
    pub(crate) fn code(self, code: u8) -> Self {
        Self { code: Some(code), ..self }
    }

    /// Returns the exit code, if it has one of its own.
    pub(crate) fn exit_code(&self) -> Option<u8> {
        self.code
    }

    /// Returns what to write instead, if there is something to say.
    pub(crate) fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// Result of reading a value.
pub(crate) type Read<T> = Result<T, Invalid>;

#[cfg(test)]
pub(crate) mod check {
    //! Table tests: input and what it reads as, an error as its text.

    use super::Read;

    /// Asserts that each input reads as shown by `{:?}`, or fails with the text after `!`.
    #[track_caller]
    pub(crate) fn table<T: std::fmt::Debug>(read: impl Fn(&str) -> Read<T>, rows: &[(&str, &str)]) {
        for (input, expected) in rows {
            let got = match read(input) {
                Ok(value) => format!("{value:?}"),
                Err(error) => format!("!{error}"),
            };
            assert_eq!(&got, expected, "input {input:?}");
        }
    }
}
