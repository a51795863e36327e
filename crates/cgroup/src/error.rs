//! What can go wrong with a cgroup, and what a caller should tell but can live with.

use std::fmt;
use std::io;
use std::time::Duration;

/// A failed operation on a cgroup.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A path that no cgroup can have.
    #[error("invalid cgroup path `{path}`: {reason}")]
    Path { path: String, reason: &'static str },
    /// A limit whose value makes no sense, found before anything was written.
    #[error("invalid {limit} `{value}`: {reason}")]
    Invalid { limit: String, value: String, reason: String },
    /// The directory exists and processes or child groups live in it.
    #[error("cgroup `{path}` is in use")]
    InUse { path: String, source: io::Error },
    /// No hierarchy has this group.
    #[error("no such cgroup: `{path}`")]
    NotFound { path: String },
    /// The kernel refused a value.
    #[error("cannot set {limit}: cannot write `{value}` to `{path}`")]
    Write { limit: String, path: String, value: String, hint: Option<String>, source: io::Error },
    /// Some other call failed.
    #[error("cannot {verb} `{path}`")]
    Io { verb: &'static str, path: String, source: io::Error },
    /// The group did not reach the wanted state.
    #[error("cannot {verb} cgroup `{path}`: not done after {waited:?}: {state}")]
    Timeout { verb: &'static str, path: String, waited: Duration, state: String },
    /// The machine lacks what the operation needs.
    #[error("cannot {verb} cgroup `{path}`: {reason}")]
    Unsupported { verb: &'static str, path: String, reason: String },
}

/// Result of an operation on a cgroup.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn io(verb: &'static str, path: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Io { verb, path: path.into(), source: source.into() }
    }

    pub(crate) fn invalid(limit: &str, value: impl fmt::Display, reason: impl Into<String>) -> Self {
        Self::Invalid { limit: limit.to_owned(), value: value.to_string(), reason: reason.into() }
    }

    /// Returns what the user can do about it, where that is known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Path { .. } => Some(
                "give a cgroup path such as `/my/parent`; systemd's `slice:prefix:name` form is not supported",
            ),
            Self::InUse { .. } => {
                Some("another container uses this cgroup; choose another path or remove that container")
            }
            Self::Write { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }
}

/// A requested limit that is not in force, or a weakened operation: to be told once, not fatal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The limit in the user's words: "memory limit".
    pub limit: String,
    /// Why it is not in force.
    pub reason: String,
    /// What would make it work.
    pub remedy: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not in force: {}; {}", self.limit, self.reason, self.remedy)
    }
}
