//! What can go wrong with volumes.

use oci::class::Class;

/// Result of a call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed operation on volumes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name that Docker would not take either.
    #[error(
        "\"{0}\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are \
         allowed"
    )]
    Name(String),
    /// There is no volume of this name.
    #[error("get {0}: no such volume")]
    NotFound(String),
    /// The name is taken by a volume that was made with other options.
    #[error("a volume named {0} already exists with other options")]
    Differs(String),
    /// Only `local` is built in.
    #[error("volume driver \"{0}\" is not supported: `local` is the only one")]
    Driver(String),
    /// An option of the driver that does not read.
    #[error("{0}")]
    Option(String),
    /// An option of the driver that asks for what is not there.
    #[error("{0}")]
    Unsupported(String),
    /// Somebody needs it.
    #[error("{0}")]
    InUse(String),
    /// The kernel refused.
    #[error(transparent)]
    Sys(#[from] sys::Error),
    /// A record or a lock failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    /// Returns the class of the failure.
    pub fn class(&self) -> Class {
        match self {
            Self::Name(_) | Self::Option(_) => Class::Invalid,
            Self::NotFound(_) => Class::NotFound,
            Self::Differs(_) | Self::InUse(_) => Class::Conflict,
            Self::Driver(_) | Self::Unsupported(_) => Class::Unsupported,
            Self::Sys(error) => {
                error.errno().map_or(Class::Internal, |errno| Class::of_os_error(&errno.into()))
            }
            Self::Store(error) => error.class(),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotFound(_) => Some("`coracle volume ls` lists all volumes"),
            Self::Differs(_) => Some("choose another name, or remove that volume first"),
            _ => None,
        }
    }
}
