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
