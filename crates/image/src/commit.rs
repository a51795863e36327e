//! Making layers and images durable: children before parents, the name last.
//!
//! ```text
//! workspace: blobs and extracted layers ── one syncfs ──┐
//!     rename blobs, rename layers, fsync of both directories
//!     image record (new, fsync, rename, fsync)
//!     reference   (new, fsync, rename, fsync)
//! ```
//!
//! One `syncfs` for all that an image brings, and not an fsync for each of its files: a distribution
//! has ten thousand of them, each fsync waits for a commit of the journal, and nothing of it is
//! visible before the rename anyway. Its price is that it writes back what others have left dirty on
//! this file system too. A crash in between leaves a workspace, or layers that no image names; both
//! are found by `audit`.

use std::io::Read;
use std::path::{Path, PathBuf};

use oci::digest::{ChainId, DiffId, Digest, ImageId};
use oci::reference::Reference;
use rustix::fs::RenameFlags;
use store::{Durability, encode_record, sync_dir, write_atomic, write_record};
use sys::Dir;

use crate::content::StagedBlob;
use crate::layer::{Applied, Packing, apply, apply_tree};
use crate::record::{ImageRecord, LayerRecord};
use crate::resolve::record_name;
use crate::root::{NamedLock, Workspace};
use crate::snapshot::layer_path;
use crate::{Error, Images, Result};

/// A layer that has been extracted into a workspace.
#[derive(Debug)]
pub(crate) struct StagedLayer {
    pub(crate) record: LayerRecord,
    /// Directory in the workspace that holds `fs/` and `layer.json`.
    pub(crate) name: String,
    /// Keeps others from making the same layer, where its id was known beforehand.
    pub(crate) lock: Option<NamedLock>,
}

/// What becomes durable and visible together.
#[derive(Debug)]
pub(crate) struct NewImage<'w> {
    pub(crate) workspace: &'w Workspace,
    pub(crate) blobs: Vec<StagedBlob>,
    pub(crate) layers: Vec<StagedLayer>,
    pub(crate) record: ImageRecord,
    pub(crate) references: &'w [Reference],
    /// Where it comes from a registry; its own manifest and layers are then kept, so that they can go to
    /// another one as they came.
    pub(crate) origin: Option<Origin>,
}

/// What a registry called an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The index that its manifest was chosen from.
    pub(crate) index: Option<Digest>,
}

/// Names that led to another image before.
pub(crate) type Moved = Vec<(Reference, ImageId)>;

impl Workspace {
    /// Extracts a layer into a directory of the workspace.
    pub(crate) fn extract(&self, name: &str, source: impl Read + Send) -> Result<Applied> {
        apply(source, &self.layer_directory(name)?)
    }

    /// Makes the directory of a layer and returns that of its tree.
    fn layer_directory(&self, name: &str) -> Result<Dir> {
        self.dir.mkdir(name, 0o700)?;
        let dir = self.dir.open_dir(name)?;
        dir.mkdir("fs", 0o755)?;
        // A handle of its own: in a layer symlinks lead somewhere, in the store they never do.
        let fs = dir.open_dir("fs")?;
        let label = fs.label().to_owned();
        Ok(Dir::from_fd(fs.into(), label))
    }

    /// Copies a tree into a directory of the workspace as a layer.
    pub(crate) fn copy(
        &self,
        name: &str,
        tree: &Dir,
        packing: &Packing<'_>,
    ) -> Result<(Applied, u64, Vec<PathBuf>)> {
        let fs = self.layer_directory(name)?;
        apply_tree(tree, packing, &fs)
    }

    /// Writes the record of an extracted layer beside its tree.
    pub(crate) fn describe(
        &self,
        name: &str,
        applied: &Applied,
        chain_id: ChainId,
        parent: Option<ChainId>,
    ) -> Result<LayerRecord> {
        let record = LayerRecord {
            chain_id,
            diff_id: applied.diff_id,
            parent,
            size: applied.size,
            entries: applied.entries,
            uid_max: applied.uid_max,
            gid_max: applied.gid_max,
            opaque: applied.opaque,
        };
        let dir = self.dir.open_dir(name)?;
        write_atomic(&dir, "layer.json", &encode_record(&record)?, Durability::Volatile)?;
        Ok(record)
    }
}

impl Images {
    /// Makes an image visible, unless a layer that it builds on has gone meanwhile: then the staged
    /// layers are given back.
    pub(crate) fn commit(&self, new: NewImage<'_>) -> Result<Result<Moved, Vec<StagedLayer>>> {
        new.workspace.dir.syncfs()?;
        // From here on nothing we rely on is collected, and nothing we rename is taken for an orphan.
        let _lease = self.lease()?;
        let _one_at_a_time = self.lock_image(&new.record.id.digest().hex())?;
        let index = new.origin.and_then(|origin| origin.index);
        if let Some(record) = self.whole_image(&new.record.id)? {
            let as_wanted = record.manifest == new.record.manifest
                && new.record.indexes.iter().all(|index| record.indexes.contains(index));
            // Somebody else was quicker.
            if new.origin.is_none() || as_wanted {
                return Ok(Ok(self.set_references(new.references, &record, index)?));
            }
        }
        let made = |chain_id: &ChainId| new.layers.iter().any(|layer| layer.record.chain_id == *chain_id);
        for layer in &new.record.layers {
            let staged = new.blobs.iter().any(|blob| blob.digest == layer.blob);
            let has_tree = made(&layer.chain_id) || self.layer(&layer.chain_id)?.is_some();
            if !has_tree || !(staged || layer.packed || self.blob_size(&layer.blob)?.is_some()) {
                return Ok(Err(new.layers));
            }
        }
        self.commit_blobs(new.workspace, &new.blobs)?;
        for layer in &new.layers {
            self.commit_layer(new.workspace, layer)?;
        }
        if !new.layers.is_empty() {
            sync_dir(self.root.open_dir("layers")?)?;
        }
        let dir = self.root.open_dir("images")?;
        write_record(&dir, &record_name(&new.record.id), &new.record, Durability::Synced)?;
        Ok(Ok(self.set_references(new.references, &new.record, index)?))
    }

    /// Gives names to an image that is there and lacks nothing. It may have come in an archive of another form:
    /// its manifest and blobs serve as well, and those of a second form would be nobody's.
    pub(crate) fn name_if_whole(&self, id: &ImageId, references: &[Reference]) -> Result<Option<Moved>> {
        let _lease = self.lease()?;
        self.whole_image(id)?.map(|record| self.set_references(references, &record, None)).transpose()
    }

    /// Gives names to an image under a lease.
    pub(crate) fn set_references(
        &self,
        references: &[Reference],
        record: &ImageRecord,
        index: Option<Digest>,
    ) -> Result<Moved> {
        let mut moved = Moved::new();
        for reference in references {
            let before = self.set_reference(reference, record, index)?;
            moved.extend(before.map(|before| (reference.clone(), before)));
        }
        Ok(moved)
    }

    /// Returns the record of an image that lacks nothing.
    pub(crate) fn whole_image(&self, id: &ImageId) -> Result<Option<ImageRecord>> {
        let Ok(record) = self.image(id) else { return Ok(None) };
        for blob in record.blobs() {
            if self.blob_size(&blob)?.is_none() {
                return Ok(None);
            }
        }
        for layer in &record.layers {
            if !matches!(self.layer(&layer.chain_id), Ok(Some(_))) {
                return Ok(None);
            }
        }
        Ok(Some(record))
    }

    fn commit_layer(&self, workspace: &Workspace, layer: &StagedLayer) -> Result<()> {
        let target = layer_path(&layer.record.chain_id);
        match self.root.rename(workspace.path(&layer.name), &target, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(()),
            // Made by somebody else meanwhile: the same content by its id.
            Err(error) if error.errno() == Some(rustix::io::Errno::EXIST) => {
                if self.layer(&layer.record.chain_id)?.is_some() {
                    return Ok(());
                }
                // A directory without a record is none of ours.
                self.root.remove_tree(&target)?;
                Ok(self.root.rename(workspace.path(&layer.name), &target, RenameFlags::NOREPLACE)?)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Compares what a layer turned out to be with what the configuration says.
pub(crate) fn check_diff_id(what: &Path, expected: &DiffId, found: &DiffId) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::DigestMismatch {
        what: format!("uncompressed layer `{}`", what.display()),
        expected: *expected.digest(),
        found: *found.digest(),
    })
}
