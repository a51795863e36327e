//! What keeps a build from being planned.

use oci::class::Class;

use crate::fault::{Fault, render_all};
use crate::source::Source;

/// Result of a call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A Dockerfile that cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Faults of the text, each with its place.
    #[error("{rendered}")]
    Dockerfile { faults: Vec<Fault>, rendered: String },
}

impl Error {
    /// Shows faults in their source.
    pub(crate) fn of_faults(faults: Vec<Fault>, source: &Source) -> Self {
        let rendered = render_all(&faults, source);
        Self::Dockerfile { faults, rendered }
    }

    /// Returns the class of the failure.
    pub fn class(&self) -> Class {
        match self {
            Self::Dockerfile { .. } => Class::Invalid,
        }
    }
}
