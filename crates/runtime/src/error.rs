//! Errors of the runtime, and the form in which they cross from a child to its creator.

use std::io;

use serde::{Deserialize, Serialize};

/// A failure of the runtime.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The specification asks for something impossible or unknown.
    #[error("invalid container specification: {0}")]
    Invalid(String),
    /// The specification asks for something this build or kernel does not do.
    #[error("{0}")]
    Unsupported(String),
    /// A step of the start failed inside a child.
    #[error("{}", .0.what)]
    Step(Failure, #[source] Option<io::Error>),
    #[error(transparent)]
    System(#[from] sys::Error),
    #[error("cannot limit the container's resources")]
    Cgroup(#[from] cgroup::Error),
    /// What the creator does to the network failed.
    #[error("cannot connect the container to its networks")]
    Network(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A child ended without a report.
    #[error("the container's {0} ended unexpectedly before the program was started")]
    Died(&'static str),
}

/// Result of a runtime call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Makes the error of a failure that a child reported.
    pub fn from_failure(failure: Failure) -> Self {
        let source = failure.errno.map(io::Error::from_raw_os_error);
        Self::Step(failure, source)
    }

    /// Returns Docker's exit code for a container that could not be started.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Step(failure, _) => match failure.kind {
                FailureKind::ProgramNotFound => 127,
                FailureKind::ProgramNotExecutable => 126,
                FailureKind::Setup => 125,
            },
            _ => 125,
        }
    }
}

/// What a child tells about its failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub kind: FailureKind,
    /// What was tried, with the object.
    pub what: String,
    pub errno: Option<i32>,
}

/// The kinds that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureKind {
    Setup,
    ProgramNotFound,
    ProgramNotExecutable,
}

impl From<sys::Error> for Failure {
    fn from(error: sys::Error) -> Self {
        Self {
            kind: FailureKind::Setup,
            what: error.what().to_owned(),
            errno: error.errno().map(rustix::io::Errno::raw_os_error),
        }
    }
}

impl Failure {
    /// Puts the step in front of what the system call said.
    pub(crate) fn during(mut self, step: &str) -> Self {
        self.what = format!("{step}: {}", self.what);
        self
    }

    /// A failure that no system call answered.
    pub(crate) fn refused(what: impl Into<String>) -> Self {
        Self { kind: FailureKind::Setup, what: what.into(), errno: None }
    }

    /// A failure of the container's cgroup, with what was to be done.
    pub(crate) fn of_group(verb: &str, error: &cgroup::Error) -> Self {
        let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
        let errno = cause.and_then(io::Error::raw_os_error);
        Self { errno, ..Self::refused(format!("cannot {verb}: {error}")) }
    }
}
