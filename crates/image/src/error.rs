//! What can go wrong with images, layers and snapshots.

use oci::class::Class;
use oci::digest::{Digest, InvalidDigest};
use oci::image::InvalidDocument;
use oci::reference::InvalidReference;
use sys::one_line;

pub use crate::tar::TarError;

/// Result of a call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed operation on images.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing here is called so. The text is Docker's, clients match on it.
    #[error("No such image: {0}")]
    NotFound(String),
    /// A short id fits several images.
    #[error("image id prefix `{prefix}` is ambiguous: it fits {}", .matches.join(", "))]
    Ambiguous { prefix: String, matches: Vec<String> },
    /// A tag cannot be led back.
    #[error("cannot lead {reference} back: {what}")]
    NoEarlier { reference: String, what: String },
    /// A container's image was removed by force: its layers are there, but nothing tells of them.
    #[error("the image {0} that it was made from has been removed")]
    ImageRemoved(String),
    #[error(transparent)]
    Reference(#[from] InvalidReference),
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
    /// A tag was asked for where the reference holds a digest.
    #[error("refusing to create a tag with a digest reference: {0}")]
    TagWithDigest(String),
    /// A manifest, index or configuration is not one.
    #[error("invalid document `{name}`")]
    Document {
        name: String,
        #[source]
        source: InvalidDocument,
    },
    /// The bytes are not those that were promised.
    #[error("{} has digest {found}, expected {expected}", one_line(what))]
    DigestMismatch { what: String, expected: Digest, found: Digest },
    #[error("{what} has {found} bytes, expected {expected}")]
    SizeMismatch { what: String, expected: u64, found: u64 },
    #[error(transparent)]
    Tar(#[from] TarError),
    /// An entry of a layer cannot be made.
    #[error("layer entry `{}`: {reason}", one_line(path))]
    Entry { path: String, reason: &'static str },
    #[error("cannot extract layer entry `{}`", one_line(path))]
    Extract {
        path: String,
        #[source]
        source: sys::Error,
    },
    /// The kernel does not let us make device nodes.
    #[error(
        "layer holds device node `{}`, which this process may not create: CAP_MKNOD in the initial user \
         namespace is needed",
        one_line(path)
    )]
    Device {
        path: String,
        #[source]
        source: sys::Error,
    },
    /// The archive as a whole is not what was expected.
    #[error("invalid image archive: {}", one_line(.0))]
    Archive(String),
    #[error("{0} compression is not supported: use gzip, zstd or none")]
    Compression(&'static str),
    #[error("no image for platform {wanted}; there is {}", one_line(&.available.join(", ")))]
    Platform { wanted: String, available: Vec<String> },
    #[error("image has {0} layers, the kernel's overlay takes at most {max}", max = crate::LAYERS_MAX)]
    TooManyLayers(usize),
    /// The image is in use; the text is Docker's.
    #[error("conflict: {0}")]
    Conflict(String),
    /// A `--change` instruction is malformed.
    #[error("invalid change `{line}`: {reason}")]
    Change { line: String, reason: String },
    #[error("invalid snapshot key `{0}`")]
    Key(String),
    #[error("snapshot `{0}` exists already")]
    SnapshotExists(String),
    #[error("no such snapshot: `{0}`")]
    SnapshotNotFound(String),
    #[error("layer {0} is missing from the store: load or import the image again")]
    LayerMissing(String),
    #[error("cannot read {}", one_line(what))]
    Read {
        what: String,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot write {}", one_line(what))]
    Write {
        what: String,
        #[source]
        source: std::io::Error,
    },
    /// The registry, or the way to it.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// It can be fetched, but it is no image.
    #[error("{name} is no image: {}", one_line(reason))]
    NoImage { name: String, reason: String },
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Sys(#[from] sys::Error),
}

impl Error {
    /// Returns the class of the failure.
    pub fn class(&self) -> Class {
        let of_sys = |error: &sys::Error| {
            error.errno().map_or(Class::Internal, |errno| Class::of_os_error(&errno.into()))
        };
        match self {
            Self::NotFound(_) | Self::SnapshotNotFound(_) | Self::NoEarlier { .. } => Class::NotFound,
            Self::SnapshotExists(_) => Class::AlreadyExists,
            Self::Ambiguous { .. } | Self::Conflict(_) | Self::ImageRemoved(_) => Class::Conflict,
            Self::Reference(error) => error.class(),
            Self::Digest(error) => error.class(),
            Self::Document { source, .. } => source.class(),
            Self::Tar(error) if error.is_read() => Class::Unavailable,
            Self::TagWithDigest(_)
            | Self::DigestMismatch { .. }
            | Self::SizeMismatch { .. }
            | Self::Tar(_)
            | Self::Entry { .. }
            | Self::Archive(_)
            | Self::Change { .. }
            | Self::Key(_) => Class::Invalid,
            Self::Compression(_) | Self::Platform { .. } | Self::TooManyLayers(_) => Class::Unsupported,
            Self::Device { .. } => Class::Denied,
            Self::LayerMissing(_) => Class::Internal,
            Self::Extract { source, .. } | Self::Sys(source) => of_sys(source),
            Self::Read { source, .. } | Self::Write { source, .. } => Class::of_os_error(source),
            Self::Registry(error) => error.class(),
            Self::NoImage { .. } => Class::Unsupported,
            Self::Store(error) => error.class(),
        }
    }
}
