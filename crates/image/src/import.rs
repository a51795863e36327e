//! `import`: a root file system tar becomes an image of one layer.

mod change;
mod words;

use std::io::Read;

use jiff::Timestamp;
use oci::digest::{DiffId, ImageId};
use oci::image::{Config, History, ImageConfig, Platform, RootFs};
use oci::reference::Reference;

pub use change::{Change, apply_changes};

use crate::archive::{descriptor, manifest_bytes, media_type_of, to_json};
use crate::commit::{NewImage, StagedLayer};
use crate::content::{StagedBlob, stage_bytes};
use crate::hash::{Tee, chain_ids};
use crate::record::{ImageRecord, LayerRecord, LayerRef};
use crate::reference::parse_tag;
use crate::root::{Workspace, now};
use crate::{Error, Images, Result};

/// What an imported image is to be.
#[derive(Debug, Clone, Default)]
pub struct Import<'a> {
    /// `REPOSITORY[:TAG]`; none makes an image without a name.
    pub reference: Option<&'a str>,
    /// Instructions that set how containers run.
    pub changes: &'a [Change],
    /// Shown by `history`.
    pub message: Option<&'a str>,
    /// This machine's otherwise.
    pub platform: Option<Platform>,
}

impl Images {
    /// Imports a tar, compressed or not. The bytes are kept as they came: they are the layer's blob.
    pub fn import(
        &self,
        source: impl Read + Send,
        import: &Import<'_>,
    ) -> Result<(ImageId, Option<Reference>)> {
        // All that can be wrong with the request is found before the first byte is read.
        let reference = import.reference.map(parse_tag).transpose()?;
        let mut config = Config::default();
        apply_changes(&mut config, import.changes)?;
        let workspace = self.workspace("import")?;
        let mut tee = Tee::new(source, workspace.create("blob")?);
        let applied = workspace.extract("layer", &mut tee)?;
        let read_error = |source| Error::Read { what: "archive".to_owned(), source };
        let (_, digest, size) = tee.finish().map_err(read_error)?;
        if size == 0 {
            return Err(Error::Archive("it is empty".to_owned()));
        }
        let blob = StagedBlob { name: "blob".to_owned(), digest, size };
        let chain_id = chain_ids(&[applied.diff_id])[0];
        let layer = workspace.describe("layer", &applied, chain_id, None)?;
        let image = image_config(config, import, applied.diff_id);
        let id = self.import_image(&workspace, &image, &blob, layer, reference.as_slice())?;
        Ok((id, reference))
    }

    fn import_image(
        &self,
        workspace: &Workspace,
        image: &ImageConfig,
        blob: &StagedBlob,
        layer: LayerRecord,
        references: &[Reference],
    ) -> Result<ImageId> {
        let media_type = media_type_of(self.open_staged(workspace, blob)?)?;
        let config = stage_bytes(workspace, "config", &to_json("image configuration", image)?)?;
        let bytes = manifest_bytes(&config, vec![descriptor(blob, media_type)])?;
        let manifest = stage_bytes(workspace, "manifest", &bytes)?;
        let layer_ref = LayerRef::new(&layer, blob.digest, blob.size, media_type);
        let record = ImageRecord::new(
            ImageId::new(config.digest),
            manifest.digest,
            image,
            vec![layer_ref],
            std::slice::from_ref(&layer),
            now(),
        );
        let layers = vec![StagedLayer { record: layer, name: "layer".to_owned(), lock: None }];
        let blobs = vec![blob.clone(), config, manifest];
        let id = record.id;
        let new = NewImage { workspace, blobs, layers, record, references, origin: None };
        self.commit(new)?.expect("the only layer is staged");
        Ok(id)
    }
}

fn image_config(config: Config, import: &Import<'_>, diff_id: DiffId) -> ImageConfig {
    let created = Some(Timestamp::now().to_string());
    let comment = import.message.unwrap_or("Imported from -").to_owned();
    let platform = import.platform.clone().unwrap_or_else(Platform::host);
    ImageConfig {
        created: created.clone(),
        architecture: platform.architecture,
        variant: platform.variant,
        os: platform.os,
        config,
        comment: comment.clone(),
        rootfs: RootFs { diff_ids: vec![diff_id], ..RootFs::default() },
        history: vec![History { created, comment, ..History::default() }],
        ..ImageConfig::default()
    }
}
