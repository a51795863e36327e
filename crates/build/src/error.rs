//! What keeps a build from being planned.

use oci::class::Class;

use crate::fault::{Fault, render_all};
use crate::plan::Unavailable;
use crate::source::Source;

/// Result of a call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A Dockerfile that cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Faults of the text, each with its place.
    #[error("{rendered}")]
    Dockerfile { faults: Vec<Fault>, rendered: String },
    /// A stage that is not there.
    #[error("target stage `{wanted}` could not be found")]
    Target { wanted: String, near: Option<String>, names: Vec<String> },
    /// The build argument `BUILDKIT_DOCKERFILE_CHECK` is malformed.
    #[error("invalid build argument `BUILDKIT_DOCKERFILE_CHECK`: {0}")]
    Check(String),
    /// A base image is not to be had; shown in its place.
    #[error("{shown}")]
    Image { shown: String, unavailable: Unavailable },
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
            Self::Dockerfile { .. } | Self::Check(_) => Class::Invalid,
            Self::Target { .. } => Class::NotFound,
            Self::Image { unavailable, .. } => unavailable.class,
        }
    }

    /// Returns what to do about it, where the text does not say so.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Target { near: Some(near), .. } => Some(format!("did you mean `{near}`?")),
            Self::Target { names, .. } if names.is_empty() => {
                Some("no stage has a name: give it one with `AS`".to_owned())
            }
            Self::Target { names, .. } => Some(format!("there are {}", names.join(", "))),
            Self::Image { unavailable, .. } => unavailable.hint.clone(),
            _ => None,
        }
    }
}
