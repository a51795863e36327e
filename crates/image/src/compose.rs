//! An image of the layers of another, or of none, with a configuration of its own.

use oci::digest::ImageId;
use oci::image::{ImageConfig, RootFs};

use crate::archive::{descriptor_of, manifest_bytes, to_json};
use crate::commit::NewImage;
use crate::content::stage_bytes;
use crate::record::ImageRecord;
use crate::reference::parse_tag;
use crate::root::now;
use crate::{Error, Images, Result};

/// What an image is put together from.
#[derive(Debug, Clone)]
pub struct Composition<'a> {
    /// The image whose layers it has; none for an image without files.
    pub layers_of: Option<ImageId>,
    /// How many of them, the lowest first; all without a number.
    pub depth: Option<usize>,
    /// Everything but the list of layers, which is filled in.
    pub config: ImageConfig,
    pub references: &'a [String],
}

impl Images {
    /// Makes an image without touching a file: the same composition gives the same id.
    pub fn compose(&self, composition: &Composition<'_>) -> Result<ImageId> {
        let references =
            composition.references.iter().map(|text| parse_tag(text)).collect::<Result<Vec<_>>>()?;
        let base = composition.layers_of.map(|id| self.image(&id)).transpose()?;
        let mut layers = base.map(|base| base.layers).unwrap_or_default();
        layers.truncate(composition.depth.unwrap_or(usize::MAX));
        let records = layers.iter().map(|layer| self.layer_of(layer)).collect::<Result<Vec<_>>>()?;
        let config = ImageConfig {
            rootfs: RootFs {
                diff_ids: layers.iter().map(|layer| layer.diff_id).collect(),
                ..RootFs::default()
            },
            ..composition.config.clone()
        };
        let workspace = self.workspace("compose")?;
        let blob = stage_bytes(&workspace, "config", &to_json("image configuration", &config)?)?;
        let manifest = manifest_bytes(&blob, layers.iter().map(descriptor_of).collect())?;
        let manifest = stage_bytes(&workspace, "manifest", &manifest)?;
        let id = ImageId::new(blob.digest);
        let record = ImageRecord::new(id, manifest.digest, &config, layers, &records, now());
        let new = NewImage {
            workspace: &workspace,
            blobs: vec![blob, manifest],
            layers: Vec::new(),
            record,
            references: &references,
            origin: None,
        };
        match self.commit(new)? {
            Ok(_) => Ok(id),
            // A layer has gone since it was looked at.
            Err(_) => Err(Error::ImageRemoved(id.short())),
        }
    }
}
