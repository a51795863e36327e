//! `rmi`: takes names away and, with the last of them, the image and the layers nobody else needs.

use std::collections::HashSet;

use oci::digest::{ChainId, Digest, ImageId};
use oci::reference::Reference;
use store::{Durability, remove};

use crate::content::blob_path;
use crate::record::ImageRecord;
use crate::resolve::record_name;
use crate::root::Trash;
use crate::snapshot::{Snapshots, layer_path};
use crate::{Error, Images, Result};

/// One thing that was removed, in the order in which Docker tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// A name was taken away.
    Untagged(Reference),
    /// An image is gone.
    Deleted(ImageId),
    /// A layer is gone.
    DeletedLayer(ChainId),
}

/// A container that was made from an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageUse {
    pub image: ImageId,
    /// Id of the container, for messages.
    pub container: String,
    pub running: bool,
}

/// Whether soft obstacles (several names, stopped containers) count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    No,
    Yes,
}

impl Images {
    /// Removes a name or an image by Docker's rules; `uses` lists the containers there are.
    ///
    /// Images here have no parent images, so there is nothing that `--no-prune` could keep. Layers
    /// below a snapshot stay for as long as it is there. The caller must hold no [`crate::Lease`].
    pub fn remove_image(&self, text: &str, force: Force, uses: &[ImageUse]) -> Result<Vec<Removal>> {
        let trash = self.trash("remove")?;
        self.remove_into(&trash, text, force, uses)
    }

    /// Does the same and tells how many bytes on disk are free then.
    pub fn remove_measured(
        &self,
        text: &str,
        force: Force,
        uses: &[ImageUse],
    ) -> Result<(Vec<Removal>, u64)> {
        let trash = self.trash("remove")?;
        let removals = self.remove_into(&trash, text, force, uses)?;
        Ok((removals, trash.size()?))
    }

    fn remove_into(
        &self,
        trash: &Trash,
        text: &str,
        force: Force,
        uses: &[ImageUse],
    ) -> Result<Vec<Removal>> {
        let _alone = self.alone()?;
        let image = self.resolve(text)?;
        let references = self.references_of(&image.id)?;
        let mut removals = Vec::new();
        if is_id(text, &image.id) {
            check_by_id(&image.id, &references, force, uses)?;
            self.untag(&references, &mut removals)?;
        } else {
            let reference = self.named(text, &image, &references)?;
            let is_last = references.len() == 1;
            if is_last
                && force == Force::No
                && let Some(container) = using(uses, &image.id)
            {
                let (name, container) = (reference.familiar(), short(&container.container));
                let id = image.id.short();
                return Err(Error::Conflict(format!(
                    "unable to remove repository reference \"{name}\" (must force) - container {container} is \
                     using its referenced image {id}"
                )));
            }
            self.untag(std::slice::from_ref(&reference), &mut removals)?;
            // A container that runs keeps the image, which goes on without a name.
            if !is_last || uses.iter().any(|container| container.image == image.id && container.running) {
                return Ok(removals);
            }
        }
        self.delete(&image, trash, &mut removals)?;
        Ok(removals)
    }

    /// Which of the image's names was meant.
    fn named(&self, text: &str, image: &ImageRecord, references: &[Reference]) -> Result<Reference> {
        let meant = Reference::parse_tagged(text)?;
        let by_digest = || references.iter().find(|reference| reference.name() == meant.name());
        let found = references.iter().find(|reference| **reference == meant);
        let found = found.or_else(|| meant.digest().and_then(|_| by_digest()));
        found.cloned().ok_or_else(|| Error::NotFound(format!("{text} ({})", image.id.short())))
    }

    fn untag(&self, references: &[Reference], removals: &mut Vec<Removal>) -> Result<()> {
        for reference in references {
            if self.remove_reference(reference)? {
                removals.push(Removal::Untagged(reference.clone()));
            }
        }
        Ok(())
    }

    /// Deletes the record first: what is left after a crash is then an orphan and never a lie.
    fn delete(&self, image: &ImageRecord, trash: &Trash, removals: &mut Vec<Removal>) -> Result<()> {
        remove(self.root.open_dir("images")?, &record_name(&image.id), Durability::Synced)?;
        removals.push(Removal::Deleted(image.id));
        let needed = self.needed()?;
        for layer in image.layers.iter().rev() {
            if !needed.layers.contains(&layer.chain_id)
                && self.discard(&layer_path(&layer.chain_id), trash)?
            {
                removals.push(Removal::DeletedLayer(layer.chain_id));
            }
        }
        for blob in image.blobs() {
            if !needed.blobs.contains(&blob) {
                self.discard(&blob_path(&blob), trash)?;
            }
        }
        Ok(())
    }

    /// Drops the blobs that an image was made of before it was replaced by its like in another form.
    pub(crate) fn discard_unneeded(&self, before: &ImageRecord) -> Result<()> {
        let trash = self.trash("replace")?;
        let _alone = self.alone()?;
        let needed = self.needed()?;
        for blob in before.blobs().filter(|blob| !needed.blobs.contains(blob)) {
            self.discard(&blob_path(&blob), &trash)?;
        }
        Ok(())
    }

    /// Returns what images and snapshots rely on.
    pub(crate) fn needed(&self) -> Result<Needed> {
        let mut needed = Needed::default();
        for id in self.image_ids()? {
            let image = self.image(&id)?;
            needed.blobs.extend(image.blobs());
            needed.layers.extend(image.layers.iter().map(|layer| layer.chain_id));
        }
        for key in self.list()? {
            let top = match self.parent(&key) {
                // Being made or removed at this moment.
                Err(Error::SnapshotNotFound(_)) => continue,
                other => other?,
            };
            // Layers of images that are gone: a container made from them is still there.
            match self.ancestry(top) {
                Ok(layers) => needed.layers.extend(layers.iter().map(|layer| layer.chain_id)),
                Err(Error::LayerMissing(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(needed)
    }
}

/// What must not be removed.
#[derive(Debug, Default)]
pub(crate) struct Needed {
    pub(crate) blobs: HashSet<Digest>,
    pub(crate) layers: HashSet<ChainId>,
}

/// Whether the image was named by its id, or the beginning of it.
fn is_id(text: &str, id: &ImageId) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    !hex.is_empty() && id.hex().starts_with(hex)
}

fn check_by_id(id: &ImageId, references: &[Reference], force: Force, uses: &[ImageUse]) -> Result<()> {
    let conflict = |how: &str, why: String| {
        let id = id.short();
        Err(Error::Conflict(format!("unable to delete {id} ({how}) - {why}")))
    };
    let mut containers = uses.iter().filter(|container| container.image == *id);
    if let Some(container) = containers.clone().find(|container| container.running) {
        let container = short(&container.container);
        return conflict("cannot be forced", format!("image is being used by running container {container}"));
    }
    if force == Force::Yes {
        return Ok(());
    }
    let mut names = references.iter().map(Reference::name);
    let first = names.next();
    // Several tags of one repository are no obstacle, names in several repositories are.
    if names.any(|name| Some(name) != first) {
        return conflict("must be forced", "image is referenced in multiple repositories".to_owned());
    }
    match containers.next() {
        Some(container) => {
            let container = short(&container.container);
            conflict("must be forced", format!("image is being used by stopped container {container}"))
        }
        None => Ok(()),
    }
}

fn using<'u>(uses: &'u [ImageUse], id: &ImageId) -> Option<&'u ImageUse> {
    uses.iter().find(|container| container.image == *id)
}

fn short(container: &str) -> &str {
    container.get(..12).unwrap_or(container)
}
