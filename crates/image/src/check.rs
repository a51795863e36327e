//! `system check`: holds all content against its digests, and repairs what can be, object by object.
//!
//! A blob is hashed. The tree of a layer is packed: one that was made here must give its diff id; one that came as a blob
//! must pack to the same bytes as what that blob extracts to now.

use std::collections::{BTreeMap, BTreeSet};

use oci::digest::{ChainId, Digest};
use rustix::fs::RenameFlags;

use crate::content::blob_path;
use crate::layer::{Packing, stream, write_packed};
use crate::record::LayerRef;
use crate::snapshot::layer_path;
use crate::{Error, Images, Result};

/// How much was looked at, and what is wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Check {
    pub blobs: usize,
    pub layers: usize,
    pub damages: Vec<Damage>,
}

/// Something that is not what its digest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// `blob`, `layer` or `image`.
    pub kind: &'static str,
    pub object: String,
    pub reason: String,
    pub state: DamageState,
    /// The names of the images that it belongs to, or their ids.
    pub images: Vec<String>,
}

/// What was done about a damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageState {
    Left,
    /// It is what its digest says again.
    Repaired,
    /// It was removed, so that a load or pull of its images brings it again.
    Removed,
}

/// Whether damage is repaired; which layers a running container has mounted, by whom.
pub struct Repair<'a> {
    pub wanted: bool,
    pub used_by: &'a dyn Fn(&ChainId) -> Option<String>,
}

impl std::fmt::Debug for Repair<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Repair({})", self.wanted)
    }
}

/// An object that has been found damaged.
struct Fault {
    reason: String,
    state: DamageState,
}

impl Images {
    /// Reads all that there is. Only the object at hand is held meanwhile, and none while it is read.
    pub fn check(&self, repair: &Repair<'_>) -> Result<Check> {
        let mut check = Check::default();
        let mut layers: BTreeMap<ChainId, LayerRef> = BTreeMap::new();
        let mut owners: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for id in self.image_ids()? {
            let image = match self.image(&id) {
                Ok(image) => image,
                Err(Error::NotFound(_)) => continue,
                Err(error) => {
                    let (object, reason) = (id.to_string(), chain(&error));
                    let state = DamageState::Left;
                    check.damages.push(Damage { kind: "image", object, reason, state, images: Vec::new() });
                    continue;
                }
            };
            let mut names: Vec<String> =
                self.references_of(&id)?.iter().map(|name| name.familiar()).collect();
            if names.is_empty() {
                names.push(id.to_string());
            }
            let objects = image.blobs().map(|blob| blob.to_string());
            for object in objects.chain(image.layers.iter().map(|layer| layer.chain_id.to_string())) {
                owners.entry(object).or_default().extend(names.iter().cloned());
            }
            layers.extend(image.layers.into_iter().map(|layer| (layer.chain_id, layer)));
        }
        let mut push = |kind, object: String, fault: Option<Fault>| {
            if let Some(Fault { reason, state }) = fault {
                let images =
                    owners.get(&object).map(|names| names.iter().cloned().collect()).unwrap_or_default();
                check.damages.push(Damage { kind, object, reason, state, images });
            }
        };
        // Trees first: a blob that is to be removed may still mend one.
        for layer in layers.values() {
            push("layer", layer.chain_id.to_string(), self.check_layer(layer, repair)?);
        }
        let blobs = self.blobs()?;
        for blob in &blobs {
            push("blob", blob.to_string(), self.check_blob(blob, &layers, repair)?);
        }
        (check.blobs, check.layers) = (blobs.len(), layers.len());
        Ok(check)
    }

    fn check_blob(
        &self,
        blob: &Digest,
        layers: &BTreeMap<ChainId, LayerRef>,
        repair: &Repair<'_>,
    ) -> Result<Option<Fault>> {
        let found = match self.open_blob(blob) {
            // Removed since it was listed.
            Err(Error::NotFound(_)) => return Ok(None),
            other => other.and_then(|file| stream(file, &mut std::io::sink())),
        };
        let reason = match found {
            Ok(found) if found == *blob => return Ok(None),
            Ok(found) => format!("its bytes have digest {found}"),
            Err(error) => chain(&error),
        };
        if !repair.wanted {
            return Ok(Some(Fault { reason, state: DamageState::Left }));
        }
        let state = match self.pack_blob(blob, layers)? {
            true => DamageState::Repaired,
            false => {
                let trash = self.trash("check")?;
                let _alone = self.alone()?;
                self.discard(&blob_path(blob), &trash)?;
                DamageState::Removed
            }
        };
        Ok(Some(Fault { reason, state }))
    }

    /// Makes the blob of a layer again from its tree, where that gives the same bytes: an image that was saved by
    /// this engine and loaded again has such.
    fn pack_blob(&self, blob: &Digest, layers: &BTreeMap<ChainId, LayerRef>) -> Result<bool> {
        let Some(layer) = layers.values().find(|layer| layer.diff_id.digest() == blob) else {
            return Ok(false);
        };
        let workspace = self.workspace("check")?;
        let mut file = workspace.create("blob")?;
        let tree = self.layer_tree(&layer.chain_id)?;
        if write_packed(&tree, &Packing::layer(), &mut file)? != layer.diff_id {
            return Ok(false);
        }
        crate::root::sync_file(&file, "blob")?;
        self.root.rename(workspace.path("blob"), blob_path(blob), RenameFlags::empty())?;
        store::sync_dir(self.root.open_dir("blobs/sha256")?)?;
        Ok(true)
    }

    /// Whether the tree of a layer is what was extracted just now, but for the times of its directories.
    fn is_same(&self, layer: &LayerRef, fresh: &sys::Dir) -> Result<bool> {
        let packing = Packing { directory_times: false, ..Packing::layer() };
        let tree = self.layer_tree(&layer.chain_id)?;
        let digest = |tree: &sys::Dir| write_packed(tree, &packing, &mut std::io::sink());
        Ok(digest(&tree)? == digest(fresh)?)
    }

    fn check_layer(&self, layer: &LayerRef, repair: &Repair<'_>) -> Result<Option<Fault>> {
        let left = |reason: String| Ok(Some(Fault { reason, state: DamageState::Left }));
        let packed = self.layer_tree(&layer.chain_id).and_then(|tree| {
            let digest = write_packed(&tree, &Packing::layer(), &mut std::io::sink())?;
            Ok(digest)
        });
        let reason = match (&packed, layer.packed) {
            (Ok(digest), _) if *digest == layer.diff_id => return Ok(None),
            (Ok(_), true) => {
                return left(
                    "its files are not those that were committed, and there is no other copy".to_owned(),
                );
            }
            (Err(error), true) => return left(chain(error)),
            (Ok(_), false) => "its files are not those of its blob".to_owned(),
            (Err(error), false) => chain(error),
        };
        // Extracted anew it must be the same, unless one of the two is damaged.
        let workspace = self.workspace("check")?;
        let blob = match self.open_blob(&layer.blob) {
            Err(Error::NotFound(_)) => return Ok(None),
            other => other?,
        };
        let applied = match workspace.extract("layer", blob) {
            Ok(applied) if applied.diff_id == layer.diff_id => applied,
            // The blob is told by itself; the tree cannot be judged by it.
            _ => return Ok(None),
        };
        let fresh = workspace.dir.open_dir("layer")?.open_dir("fs")?;
        if packed.is_ok() && self.is_same(layer, &fresh)? {
            return Ok(None);
        }
        if !repair.wanted {
            return left(reason);
        }
        if let Some(container) = (repair.used_by)(&layer.chain_id) {
            return left(format!("{reason}; container `{container}` runs on it: stop it, and check again"));
        }
        let parent = self.layer(&layer.chain_id).ok().flatten().and_then(|record| record.parent);
        workspace.describe("layer", &applied, layer.chain_id, parent)?;
        workspace.dir.syncfs()?;
        let trash = self.trash("check")?;
        let _alone = self.alone()?;
        self.discard(&layer_path(&layer.chain_id), &trash)?;
        self.root.rename(workspace.path("layer"), layer_path(&layer.chain_id), RenameFlags::NOREPLACE)?;
        store::sync_dir(self.root.open_dir("layers")?)?;
        Ok(Some(Fault { reason, state: DamageState::Repaired }))
    }
}

/// The text of an error with its causes.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
