//! What a container's root file system is made of: the value that the image room hands to the runtime.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The mounts that make a root file system. The runtime never asks where they came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rootfs {
    /// Layers joined by overlayfs.
    Overlay(Overlay),
    /// A directory of the host, used as it is (`coracle runtime`).
    Directory(PathBuf),
}

/// Layers joined by overlayfs, every path relative to one `store` directory so that one
/// id-mapped clone of the store serves them all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    /// Directory on the host that holds all layers and snapshots.
    pub store: PathBuf,
    /// Read-only layers relative to `store`, the topmost first (overlay's `lowerdir` order).
    pub lowers: Vec<PathBuf>,
    /// Writable part; `None` makes a read-only view.
    pub upper: Option<Upper>,
}

/// The writable part of an overlay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upper {
    /// Upper directory relative to the store.
    pub upper: PathBuf,
    /// Work directory relative to the store, on the same file system as `upper`.
    pub work: PathBuf,
    /// Mount with `volatile`: no sync at unmount, for content that need not survive.
    pub volatile: bool,
}
