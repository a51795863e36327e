//! What takes the disk, and asking for it to be freed.

use super::PruneRequest;
use super::view::{ContainerRow, ImageRow};

/// `image prune`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PruneImagesRequest {
    /// All that no container uses, and not only those without a name.
    pub all: bool,
    pub which: PruneRequest,
}

/// What `image prune` has removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrunedImages {
    /// As `rmi` tells it, with its verbs in lower case.
    pub lines: Vec<String>,
    pub bytes: u64,
}

/// `system prune`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PruneSystemRequest {
    /// All images that no container uses.
    pub all: bool,
    /// Anonymous volumes too.
    pub volumes: bool,
    pub which: PruneRequest,
}

/// What `system prune` has removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrunedSystem {
    pub containers: Vec<String>,
    pub networks: Vec<String>,
    pub volumes: Vec<String>,
    pub images: Vec<String>,
    pub bytes: u64,
}

/// `image layers`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageLayersRequest {
    pub image: String,
}

/// One kind of thing, as `system df` sums it up. Sizes are bytes on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiskRow {
    pub kind: &'static str,
    pub total: usize,
    pub active: usize,
    pub size: u64,
    pub reclaimable: u64,
}

/// All that `system df` knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DiskUsage {
    pub rows: Vec<DiskRow>,
    pub images: Vec<ImageUsage>,
    pub containers: Vec<ContainerUsage>,
    pub volumes: Vec<VolumeUsage>,
}

/// An image by one of its names.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageUsage {
    pub row: ImageRow,
    pub shared: u64,
    pub own: u64,
    pub containers: usize,
}

/// A container with its log and what it has written.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerUsage {
    pub row: ContainerRow,
    pub size: u64,
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeUsage {
    pub name: String,
    /// Containers that have it.
    pub links: usize,
    pub size: u64,
}
