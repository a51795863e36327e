//! Requests about containers and images as layers.

use std::path::PathBuf;

use super::{ImportChange, Platform};

/// `commit`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitRequest {
    pub container: String,
    /// `REPOSITORY[:TAG]`
    pub reference: Option<String>,
    pub author: String,
    pub message: String,
    pub changes: Vec<ImportChange>,
    /// The container stands still meanwhile.
    pub pause: bool,
    /// What counts as now, in seconds since 1970 (`SOURCE_DATE_EPOCH`).
    pub epoch: Option<i64>,
}

/// `diff`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiffRequest {
    pub container: String,
}

/// `export`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportRequest {
    pub container: String,
    /// Standard output otherwise.
    pub output: Option<PathBuf>,
}

/// `save`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SaveRequest {
    /// Names, without a tag all of the repository, or ids.
    pub images: Vec<String>,
    /// Standard output otherwise.
    pub output: Option<PathBuf>,
    pub platform: Option<Platform>,
    pub format: ArchiveFormat,
}

/// Which readers an archive is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ArchiveFormat {
    #[default]
    Both,
    Docker,
    Oci,
}

/// `cp`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyRequest {
    pub from: CopySide,
    pub to: CopySide,
    /// Keep owners on the way out; give files to the container's user on the way in.
    pub archive: bool,
    /// What a link leads to, and not the link.
    pub follow_link: bool,
    pub quiet: bool,
}

/// One end of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopySide {
    Container {
        name: String,
        /// From the root; a slash or `/.` at its end counts.
        path: PathBuf,
    },
    /// Absolute; a slash or `/.` at its end counts.
    Host(PathBuf),
    /// A tar on standard input or output.
    Pipe,
}

/// `fork`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForkRequest {
    pub container: String,
    pub count: usize,
    /// Names with `{n}` in place of the number.
    pub name: Option<String>,
    /// Remove each when it ends.
    pub auto_remove: bool,
}

/// `image rollback`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RollbackRequest {
    pub name: String,
    /// The beginning of an image's id or of a manifest's digest; the latest other image otherwise.
    pub to: Option<String>,
}
