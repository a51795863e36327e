//! Images: content by digest, layers as trees, references, archives and snapshots.
//!
//! What lies below the root of the store (version 1 of every record; all directories 0700):
//!
//! ```text
//! oci-layout                    {"imageLayoutVersion":"1.0.0"}; written last when the store is made
//! blobs/sha256/<hex>            manifests, configurations and layers, as they came
//! layers/<chain id>/fs/         one layer as a tree in overlayfs form
//! layers/<chain id>/layer.json  diff id, parent, sizes, largest ids
//! layers/empty/fs/              stands in where an image has no layer
//! images/<image id>.json        all that `run` must know of an image
//! references/<name>             where a name leads and led; `/` is written `%2F`
//! snapshots/<key>/upper, work   the writable part of a container
//! snapshots/<key>/parent        symlink whose text is the chain id of the topmost layer
//! downloads/<hex>               layers that are being fetched, or were when it broke off
//! staging/<purpose>-<pid>-…/    workspaces: half-made and half-removed things, `lock` held while in use
//! locks/gc                      shared by users of images, exclusive for the moment of a removal
//! locks/layer-<chain id>        held while that layer is made
//! locks/download-<digest>       held while that layer is fetched
//! ```
//!
//! An image is visible when its record is there; all that the record names was made durable before.
//! Nothing but a workspace is ever half there.

mod archive;
mod assemble;
mod audit;
mod capture;
mod check;
mod commit;
mod compose;
mod content;
mod difference;
mod disk;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod hash;
mod ids;
mod import;
pub mod layer;
mod pull;
mod push;
mod record;
mod reference;
mod remove;
mod report;
mod resolve;
mod rollback;
mod root;
mod snapshot;
mod tar;
mod transfer;
mod view;

#[cfg(test)]
#[path = "../tests/support/archive.rs"]
mod fixture;

pub use archive::{Loaded, SaveFormat, Saving};
pub use audit::Audit;
pub use capture::{Capture, Captured};
pub use check::{Check, Damage, DamageState, Repair};
pub use compose::Composition;
pub use difference::{ChangeKind, FileChange};
pub use disk::{Forest, ImageCost, LayerNode};
pub use error::{Error, Result, TarError};
pub use hash::{chain_ids, sha256};
pub use ids::Ids;
pub use import::{Change, Import, apply_changes};
pub use layer::{Destination, Owner, write_tree};
pub use pull::{Pull, Pulled, Stage, Watch};
pub use push::{Pushed, mountable};
pub use record::{ImageRecord, LayerRecord, LayerRef, ReferenceRecord, Target};
pub use reference::check_tag;
pub use remove::{Force, ImageUse, Removal};
pub use report::{LayerFile, LayerReport};
pub use rollback::TagEntry;
pub use root::{Images, Lease};
pub use snapshot::{Snapshots, Usage};
pub use transfer::{Source, What, holds_archive, read_archive, transfer, write_archive};
pub use view::{GraphDriver, HistoryEntry, ImageInspect, ImageSummary, InspectRootFs, Metadata};

/// The kernel's limit on the layers of one overlay (`OVL_MAX_STACK`).
pub const LAYERS_MAX: usize = 500;
