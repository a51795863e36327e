//! What can go wrong between this machine and a registry. No text holds a credential: addresses are
//! shown without their query, where signed links keep their secret.

use oci::class::Class;
use oci::digest::Digest;
use oci::image::InvalidDocument;

/// Result of a call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed conversation with a registry.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The registry does not let us, or hides that there is nothing.
    #[error("{registry} denies access to {what}{}", detail(.said))]
    Denied { registry: String, what: String, said: String },
    #[error("{registry} has no {what}{}", detail(.said))]
    NotFound { registry: String, what: String, said: String },
    /// It asked us to come again later than we are ready to wait.
    #[error("{registry} limits how often it is asked; it wants to be asked again in {seconds} s")]
    Limited { registry: String, seconds: u64 },
    #[error("{registry} answered {status} to {what}{}", detail(.said))]
    Status { registry: String, what: String, status: u16, said: String },
    #[error("cannot reach {address}")]
    Unreachable {
        address: String,
        #[source]
        source: Cause,
    },
    /// The other side is not who it should be.
    #[error("no secure connection to {address}")]
    Tls {
        address: String,
        #[source]
        source: Cause,
    },
    /// The other side speaks no TLS, and plain HTTP is not allowed to it.
    #[error("{address} speaks no TLS, and plain HTTP is not allowed to it")]
    PlainHttp { address: String },
    #[error("the answer of {address} broke off")]
    Broken {
        address: String,
        #[source]
        source: Cause,
    },
    /// Too few bytes came for too long.
    #[error("{address} sent less than {bytes} bytes in {seconds} s")]
    Stalled { address: String, bytes: u64, seconds: u64 },
    #[error("{address} answered with something that is no answer: {reason}")]
    Malformed { address: String, reason: String },
    /// Followed no further.
    #[error("{from} leads to `{to}`: {reason}")]
    Redirect { from: String, to: String, reason: &'static str },
    #[error("{what} has digest {found}, expected {expected}")]
    DigestMismatch { what: String, expected: Digest, found: Digest },
    #[error("{what} has {found} bytes, expected {expected}")]
    SizeMismatch { what: String, expected: u64, found: u64 },
    #[error("{what} has more than {limit} bytes")]
    TooLarge { what: String, limit: u64 },
    /// What came is no manifest or index.
    #[error("invalid document `{name}`")]
    Document {
        name: String,
        #[source]
        source: InvalidDocument,
    },
    /// The header says one thing, the content another (CVE-2021-41190).
    #[error("`{name}` was sent as `{sent}` but holds {found}")]
    MediaType { name: String, sent: String, found: &'static str },
    #[error("cannot read {what}")]
    Read {
        what: String,
        #[source]
        source: std::io::Error,
    },
    #[error("`{file}` is not what it should be: {reason}")]
    Config { file: String, reason: String },
    #[error("credential helper `{program}` failed: {reason}")]
    Helper { program: String, reason: String },
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Sys(#[from] sys::Error),
}

/// The words of the transport, as text: its types are not ours to show.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Cause(pub(crate) String);

impl Error {
    /// Returns the class of the failure.
    pub fn class(&self) -> Class {
        match self {
            Self::Denied { .. } | Self::Tls { .. } | Self::PlainHttp { .. } | Self::Redirect { .. } => {
                Class::Denied
            }
            Self::NotFound { .. } => Class::NotFound,
            Self::Limited { .. }
            | Self::Unreachable { .. }
            | Self::Broken { .. }
            | Self::Stalled { .. }
            | Self::Status { status: 500.., .. } => Class::Unavailable,
            Self::Status { .. }
            | Self::Malformed { .. }
            | Self::DigestMismatch { .. }
            | Self::SizeMismatch { .. }
            | Self::TooLarge { .. }
            | Self::MediaType { .. }
            | Self::Config { .. }
            | Self::Helper { .. } => Class::Invalid,
            Self::Document { source, .. } => source.class(),
            Self::Read { source, .. } => Class::of_os_error(source),
            Self::Store(error) => error.class(),
            Self::Sys(error) => {
                error.errno().map_or(Class::Internal, |errno| Class::of_os_error(&errno.into()))
            }
        }
    }

    /// What to do now, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Denied { registry, .. } => {
                Some(format!("the repository may not exist, or needs `coracle login {registry}`"))
            }
            Self::Tls { address, .. } => {
                let host = address.trim_start_matches("https://").split('/').next().unwrap_or_default();
                Some(format!(
                    "put the authority that signed its certificate into /etc/coracle/certs.d/{host}/ca.crt, or \
                     list `{host}` under insecure-registries in the configuration file"
                ))
            }
            Self::PlainHttp { address } => {
                let host = address.trim_start_matches("https://").split('/').next().unwrap_or_default();
                Some(format!("list `{host}` under insecure-registries in the configuration file"))
            }
            Self::Limited { .. } => {
                Some("log in, or ask a mirror: registry-mirrors in the configuration file".to_owned())
            }
            _ => None,
        }
    }

    /// Whether the same request may succeed in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Broken { .. } | Self::Stalled { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// Whether somebody else who has the same content may be asked instead.
    pub(crate) fn is_of_one_place(&self) -> bool {
        self.is_passing()
            || matches!(
                self,
                Self::Unreachable { .. }
                    | Self::NotFound { .. }
                    | Self::Denied { .. }
                    | Self::Limited { .. }
                    | Self::Status { .. }
                    | Self::Tls { .. }
                    | Self::PlainHttp { .. }
                    | Self::Redirect { .. }
                    | Self::Malformed { .. }
            )
    }
}

fn detail(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}
