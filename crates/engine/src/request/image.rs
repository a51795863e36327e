//! Requests about images.

use std::path::PathBuf;

use super::{LabelFilter, Platform};

/// A digest as text: `sha256:…`.
pub type Digest = String;

/// `load`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadRequest {
    /// Standard input otherwise.
    pub input: Option<PathBuf>,
    pub platform: Option<Platform>,
    pub quiet: bool,
}

/// `import`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRequest {
    /// Standard input otherwise.
    pub source: Option<PathBuf>,
    /// `REPOSITORY[:TAG]`
    pub reference: Option<String>,
    pub changes: Vec<ImportChange>,
    pub message: Option<String>,
    pub platform: Option<Platform>,
}

/// One `--change`: an instruction in upper case and the rest of the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportChange {
    pub instruction: String,
    pub arguments: String,
}

/// `images`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImagesRequest {
    /// Intermediate images too.
    pub all: bool,
    /// Patterns of references (`REPOSITORY[:TAG]` with wild cards); any may match.
    pub references: Vec<String>,
    pub dangling: Option<bool>,
    pub labels: Vec<LabelFilter>,
    /// Made before, after this image.
    pub before: Option<String>,
    pub since: Option<String>,
    /// Made before this time, in seconds since 1970.
    pub until: Option<i64>,
}

/// `tag`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagRequest {
    pub source: String,
    pub target: String,
}

/// `rmi`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveImagesRequest {
    pub images: Vec<String>,
    /// Remove it even where several names or stopped containers use it.
    pub force: bool,
    /// Keep parents that have no name.
    pub no_prune: bool,
}

/// `image inspect`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInspectRequest {
    pub images: Vec<String>,
    pub platform: Option<Platform>,
}

/// `history`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRequest {
    pub image: String,
    pub platform: Option<Platform>,
}
