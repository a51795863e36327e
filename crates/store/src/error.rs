//! What can go wrong with records, locks and claims.

use oci::class::Class;

/// Result of a call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed operation on the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name that is not one path component.
    #[error("invalid name `{0}`: it must be one path component")]
    Name(String),
    /// The kernel refused.
    #[error(transparent)]
    Sys(#[from] sys::Error),
    /// Somebody else owns the name.
    #[error("`{name}` is taken by `{owner}`")]
    Taken { name: String, owner: String },
    /// The record was written by a newer version of the engine.
    #[error(
        "{kind} record `{name}` has version {found}, this program knows up to {known}: use the newer program \
         that wrote it"
    )]
    Newer { kind: &'static str, name: String, found: u32, known: u32 },
    /// The record is of a version that can no longer be read.
    #[error("{kind} record `{name}` has version {found}, which this program cannot migrate to {known}")]
    Older { kind: &'static str, name: String, found: u32, known: u32 },
    /// The bytes are not what was written.
    #[error("{kind} record `{name}` is damaged: its checksum does not match")]
    Checksum { kind: &'static str, name: String },
    /// The bytes are no record.
    #[error("{kind} record `{name}` cannot be read")]
    Malformed {
        kind: &'static str,
        name: String,
        #[source]
        source: serde_json::Error,
    },
    /// The value cannot be written as JSON.
    #[error("{kind} record cannot be encoded")]
    Encode {
        kind: &'static str,
        #[source]
        source: serde_json::Error,
    },
}

impl Error {
    /// Returns the class of the failure.
    pub fn class(&self) -> Class {
        match self {
            Self::Name(_) => Class::Invalid,
            Self::Sys(error) => {
                error.errno().map_or(Class::Internal, |errno| Class::of_os_error(&errno.into()))
            }
            Self::Taken { .. } => Class::AlreadyExists,
            Self::Newer { .. } | Self::Older { .. } => Class::Unsupported,
            Self::Checksum { .. } | Self::Malformed { .. } | Self::Encode { .. } => Class::Internal,
        }
    }

    /// Whether the object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.class() == Class::NotFound
    }
}
