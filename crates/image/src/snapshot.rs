//! Snapshots: the writable top of a container over the layers of an image.
//!
//! [`Snapshots`] is the contract; `tests/snapshots.rs` holds the suite that every implementation
//! passes. A snapshot answers with a list of directories to stack and mounts nothing itself.
//!
//! | word | meaning |
//! |---|---|
//! | prepare | makes an active snapshot: a writable directory of its own over a stack |
//! | view | answers for the stack alone, read-only; nothing is made |
//! | mounts | answers again for a snapshot that was prepared before |
//! | remove | takes it away with what was written; one that is gone is no error |

use std::path::{Path, PathBuf};

use oci::digest::{ChainId, Digest};
use oci::rootfs::{Overlay, Upper};
use rustix::fs::FileType;
use rustix::io::Errno;
use store::{Durability, read_record};
use sys::Dir;

use crate::record::LayerRecord;
use crate::{Error, Images, Result};

/// Text of the `parent` link of a snapshot that stacks nothing.
const NO_PARENT: &str = "scratch";
/// A layer without files, for images without layers: overlayfs wants one.
const EMPTY_LAYER: &str = "layers/empty/fs";

/// What keeps the root file systems of containers.
pub trait Snapshots {
    /// Makes a snapshot over `stack` (the topmost layer first, as [`crate::ImageRecord::stack`] gives it).
    ///
    /// Nothing is synced; `durability` decides whether the mount may skip syncing too (`volatile`), for
    /// content that need not survive. A key that is in use is [`Error::SnapshotExists`].
    fn prepare(&self, key: &str, stack: &[ChainId], durability: Durability) -> Result<Overlay>;

    /// Returns the read-only view of a stack.
    fn view(&self, stack: &[ChainId]) -> Result<Overlay>;

    /// Returns what [`Snapshots::prepare`] returned for a key.
    fn mounts(&self, key: &str, durability: Durability) -> Result<Overlay>;

    /// Removes a snapshot; it must not be mounted. A missing one is no error.
    fn remove(&self, key: &str) -> Result<()>;

    /// Returns what has been written on top.
    fn usage(&self, key: &str) -> Result<Usage>;

    /// Lists the keys of all snapshots, sorted.
    fn list(&self) -> Result<Vec<String>>;
}

/// What a snapshot adds to its image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes allocated on disk.
    pub bytes: u64,
    /// Sum of the sizes of regular files, as Docker counts.
    pub size: u64,
    /// Files and directories, the root not counted.
    pub inodes: u64,
}

impl Snapshots for Images {
    fn prepare(&self, key: &str, stack: &[ChainId], durability: Durability) -> Result<Overlay> {
        let path = snapshot_path(key)?;
        if stack.len() > crate::LAYERS_MAX {
            return Err(Error::TooManyLayers(stack.len()));
        }
        let lowers = self.lowers(stack)?;
        // The root of the container is the upper directory's own: it must look like the image's.
        let root = match self.root.lstat(&lowers[0]) {
            Err(error) if error.is_not_found() => return Err(missing(stack[0])),
            other => other?,
        };
        match self.root.mkdir(&path, 0o700) {
            Err(error) if error.errno() == Some(Errno::EXIST) => {
                return Err(Error::SnapshotExists(key.to_owned()));
            }
            other => other?,
        }
        let made = (|| -> sys::Result<()> {
            let dir = self.root.open_dir(&path)?;
            let parent = stack.first().map_or_else(|| NO_PARENT.to_owned(), ChainId::hex);
            dir.symlink(parent, "parent")?;
            dir.mkdir("work", 0o700)?;
            dir.mkdir("upper", 0o700)?;
            if (root.st_uid, root.st_gid)
                != (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
            {
                dir.chown("upper", root.st_uid, root.st_gid)?;
            }
            dir.chmod("upper", root.st_mode & 0o7777)
        })();
        if let Err(error) = made {
            // The error at hand is the one to report.
            let _ = self.root.remove_tree(&path);
            return Err(error.into());
        }
        Ok(self.overlay(lowers, Some((&path, durability))))
    }

    fn view(&self, stack: &[ChainId]) -> Result<Overlay> {
        let lowers = self.lowers(stack)?;
        Ok(self.overlay(lowers, None))
    }

    fn mounts(&self, key: &str, durability: Durability) -> Result<Overlay> {
        let path = snapshot_path(key)?;
        let lowers = self.lowers(&self.stack_below(self.parent(key)?)?)?;
        Ok(self.overlay(lowers, Some((&path, durability))))
    }

    fn remove(&self, key: &str) -> Result<()> {
        Ok(self.root.remove_tree(snapshot_path(key)?)?)
    }

    fn usage(&self, key: &str) -> Result<Usage> {
        Ok(usage_of(&self.upper(key)?)?)
    }

    fn list(&self) -> Result<Vec<String>> {
        let entries = self.root.list("snapshots")?;
        let mut keys: Vec<String> =
            entries.into_iter().filter_map(|entry| entry.name.into_string().ok()).collect();
        keys.sort();
        Ok(keys)
    }
}

impl Images {
    /// Returns the topmost layer that a snapshot stacks.
    pub(crate) fn parent(&self, key: &str) -> Result<Option<ChainId>> {
        let text = match self.root.read_link(snapshot_path(key)?.join("parent")) {
            Err(error) if error.is_not_found() => return Err(Error::SnapshotNotFound(key.to_owned())),
            other => other?,
        };
        match text.to_str() {
            Some(NO_PARENT) => Ok(None),
            text => Ok(Some(ChainId::new(Digest::from_hex(text.unwrap_or_default())?))),
        }
    }

    /// Returns all layers from one down to the lowest, whether they are visible or not.
    pub(crate) fn ancestry(&self, top: Option<ChainId>) -> Result<Vec<LayerRecord>> {
        let mut ancestry = Vec::new();
        let mut next = top;
        while let Some(chain_id) = next {
            let record = self.layer(&chain_id)?.ok_or_else(|| missing(chain_id))?;
            next = record.parent;
            ancestry.push(record);
            if ancestry.len() > crate::LAYERS_MAX {
                return Err(Error::TooManyLayers(ancestry.len()));
            }
        }
        Ok(ancestry)
    }

    /// Opens the tree of a layer; links in it lead nowhere else.
    pub(crate) fn layer_tree(&self, chain_id: &ChainId) -> Result<Dir> {
        match self.root.open_dir(layer_path(chain_id).join("fs")) {
            Err(error) if error.is_not_found() => Err(missing(*chain_id)),
            other => Ok(other?),
        }
    }

    /// Opens what a container has written.
    pub(crate) fn upper(&self, key: &str) -> Result<Dir> {
        match self.root.open_dir(snapshot_path(key)?.join("upper")) {
            Err(error) if error.is_not_found() => Err(Error::SnapshotNotFound(key.to_owned())),
            other => Ok(other?),
        }
    }

    /// Returns the record of a layer of an image.
    pub(crate) fn layer_of(&self, layer: &crate::LayerRef) -> Result<LayerRecord> {
        self.layer(&layer.chain_id)?.ok_or_else(|| missing(layer.chain_id))
    }

    /// Returns the record of a layer, `None` where there is no such layer.
    pub(crate) fn layer(&self, chain_id: &ChainId) -> Result<Option<LayerRecord>> {
        let dir = match self.root.open_dir(layer_path(chain_id)) {
            Err(error) if error.is_not_found() => return Ok(None),
            other => other?,
        };
        match read_record(&dir, "layer.json") {
            Err(error) if error.is_not_found() => Ok(None),
            other => Ok(Some(other?)),
        }
    }

    pub(crate) fn stack_below(&self, top: Option<ChainId>) -> Result<Vec<ChainId>> {
        let ancestry = self.ancestry(top)?;
        let end = ancestry.iter().position(|layer| layer.opaque).map_or(ancestry.len(), |base| base + 1);
        Ok(ancestry[..end].iter().map(|layer| layer.chain_id).collect())
    }

    fn lowers(&self, stack: &[ChainId]) -> Result<Vec<PathBuf>> {
        if stack.is_empty() {
            // An image without layers: a rarity that is made on the first use.
            if !self.root.exists(EMPTY_LAYER)? {
                self.root.mkdir_all(EMPTY_LAYER, 0o755)?;
                self.root.chmod(EMPTY_LAYER, 0o755)?;
            }
            return Ok(vec![EMPTY_LAYER.into()]);
        }
        Ok(stack.iter().map(|chain_id| layer_path(chain_id).join("fs")).collect())
    }

    fn overlay(&self, lowers: Vec<PathBuf>, snapshot: Option<(&Path, Durability)>) -> Overlay {
        let upper = snapshot.map(|(path, durability)| Upper {
            upper: path.join("upper"),
            work: path.join("work"),
            volatile: durability == Durability::Volatile,
        });
        Overlay { store: self.path().to_owned(), lowers, upper }
    }
}

pub(crate) fn layer_path(chain_id: &ChainId) -> PathBuf {
    Path::new("layers").join(chain_id.hex())
}

fn missing(chain_id: ChainId) -> Error {
    Error::LayerMissing(chain_id.to_string())
}

/// Keys are container ids and names: one component without surprises.
fn snapshot_path(key: &str) -> Result<PathBuf> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let valid = key.len() <= 128
        && key.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && key.bytes().all(allowed);
    if valid { Ok(Path::new("snapshots").join(key)) } else { Err(Error::Key(key.to_owned())) }
}

/// Adds up a tree; hard links count once.
fn usage_of(upper: &Dir) -> sys::Result<Usage> {
    let mut usage = Usage::default();
    let mut linked = std::collections::HashSet::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(path) = pending.pop() {
        let entries = match upper.list(&path) {
            // A container may be at work in it.
            Err(error) if error.is_not_found() => continue,
            other => other?,
        };
        for entry in entries {
            let path = path.join(&entry.name);
            let stat = match upper.lstat(&path) {
                Err(error) if error.is_not_found() => continue,
                other => other?,
            };
            if entry.kind == FileType::Directory {
                pending.push(path);
            } else if stat.st_nlink > 1 && !linked.insert(stat.st_ino) {
                continue;
            }
            usage.inodes += 1;
            usage.bytes += u64::try_from(stat.st_blocks).unwrap_or_default() * 512;
            if entry.kind == FileType::RegularFile {
                usage.size += u64::try_from(stat.st_size).unwrap_or_default();
            }
        }
    }
    Ok(usage)
}
