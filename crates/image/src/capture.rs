//! `commit`: what a container has changed becomes a layer, and with the layers below an image.

use std::collections::HashSet;
use std::path::PathBuf;

use oci::digest::ImageId;
use oci::image::{Config, History, ImageConfig, media};
use oci::reference::Reference;

use crate::archive::{descriptor_of, manifest_bytes, to_json};
use crate::commit::{NewImage, StagedLayer};
use crate::content::stage_bytes;
use crate::difference::difference;
use crate::hash::chain_ids;
use crate::layer::Packing;
use crate::record::{ImageRecord, LayerRecord, LayerRef};
use crate::reference::parse_tag;
use crate::root::{Workspace, now};
use crate::{Change, Error, Images, LAYERS_MAX, Result, apply_changes};

/// What is to be made of a container.
#[derive(Debug, Clone)]
pub struct Capture<'a> {
    /// The key of its snapshot.
    pub key: &'a str,
    /// The image that it was made from.
    pub image: ImageId,
    /// How it runs; `changes` come on top.
    pub config: Config,
    pub changes: &'a [Change],
    pub reference: Option<&'a str>,
    pub author: &'a str,
    pub message: &'a str,
    /// What `history` shows as the step.
    pub created_by: String,
    /// Where the engine itself makes files and directories: see [`Images::changes`].
    pub stubs: &'a [&'a str],
    /// Seconds since 1970 that count as now, and that no time in the layer exceeds (`SOURCE_DATE_EPOCH`).
    pub epoch: Option<i64>,
}

/// An image that was made of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    pub id: ImageId,
    pub reference: Option<Reference>,
    /// Paths that no layer can hold, because their names begin as those of whiteouts do.
    pub left_out: Vec<PathBuf>,
}

/// A layer that was copied into a workspace.
struct Copied {
    record: LayerRecord,
    layer: LayerRef,
}

impl Images {
    /// Makes an image of what a container is now. Nobody should write to its files meanwhile; `copied` is called
    /// when they may again, before the image becomes durable.
    pub fn capture(&self, capture: &Capture<'_>, copied: impl FnOnce()) -> Result<Captured> {
        // All that can be wrong with the request is found before anything is read.
        let reference = capture.reference.map(parse_tag).transpose()?;
        let mut config = capture.config.clone();
        apply_changes(&mut config, capture.changes)?;
        let base = match self.image(&capture.image) {
            Err(Error::NotFound(_)) => return Err(Error::ImageRemoved(capture.image.short())),
            other => other?,
        };
        let workspace = self.workspace("commit")?;
        let mut left_out = Vec::new();
        let copy = self.copy_difference(&workspace, capture, &base, &mut left_out);
        copied();
        let id = self.capture_image(&workspace, capture, (&base, copy?), config, reference.as_slice())?;
        Ok(Captured { id, reference, left_out })
    }

    /// Copies what differs into the workspace; `None` where nothing does.
    fn copy_difference(
        &self,
        workspace: &Workspace,
        capture: &Capture<'_>,
        base: &ImageRecord,
        left_out: &mut Vec<PathBuf>,
    ) -> Result<Option<Copied>> {
        let (upper, stack) = self.upper_over_stack(capture.key)?;
        let found = difference(&upper, &stack, capture.stubs)?;
        if found.changes.is_empty() && !found.root {
            return Ok(None);
        }
        if base.layers.len() >= LAYERS_MAX {
            return Err(Error::TooManyLayers(base.layers.len() + 1));
        }
        let unchanged: HashSet<PathBuf> = found.unchanged;
        let packing =
            Packing { skip: &|path| unchanged.contains(path), latest: capture.epoch, ..Packing::layer() };
        let (applied, size, left) = workspace.copy("layer", &upper, &packing)?;
        *left_out = left;
        let mut diff_ids: Vec<_> = base.layers.iter().map(|layer| layer.diff_id).collect();
        diff_ids.push(applied.diff_id);
        let chain_id = *chain_ids(&diff_ids).last().expect("it has just been pushed to");
        let record = workspace.describe("layer", &applied, chain_id, base.top())?;
        let blob = *applied.diff_id.digest();
        let layer = LayerRef { packed: true, ..LayerRef::new(&record, blob, size, media::OCI_LAYER) };
        Ok(Some(Copied { record, layer }))
    }

    fn capture_image(
        &self,
        workspace: &Workspace,
        capture: &Capture<'_>,
        (base, copied): (&ImageRecord, Option<Copied>),
        config: Config,
        references: &[Reference],
    ) -> Result<ImageId> {
        let mut records = base.layers.iter().map(|layer| self.layer_of(layer)).collect::<Result<Vec<_>>>()?;
        let mut layers = base.layers.clone();
        let mut staged = Vec::new();
        let is_empty = copied.is_none();
        if let Some(Copied { record, layer }) = copied {
            records.push(record.clone());
            layers.push(layer);
            staged.push(StagedLayer { record, name: "layer".to_owned(), lock: None });
        }
        let image = self.image_config(capture, base, &layers, config, is_empty)?;
        let blob = stage_bytes(workspace, "config", &to_json("image configuration", &image)?)?;
        let manifest = manifest_bytes(&blob, layers.iter().map(descriptor_of).collect())?;
        let manifest = stage_bytes(workspace, "manifest", &manifest)?;
        let id = ImageId::new(blob.digest);
        let record = ImageRecord::new(id, manifest.digest, &image, layers, &records, now());
        let new = NewImage {
            workspace,
            blobs: vec![blob, manifest],
            layers: staged,
            record,
            references,
            origin: None,
        };
        match self.commit(new)? {
            Ok(_) => Ok(id),
            // What lies below has gone since it was looked at.
            Err(_) => Err(Error::ImageRemoved(base.id.short())),
        }
    }

    fn image_config(
        &self,
        capture: &Capture<'_>,
        base: &ImageRecord,
        layers: &[LayerRef],
        config: Config,
        is_empty: bool,
    ) -> Result<ImageConfig> {
        let below = self.configuration_of(&base.id)?;
        let created = Some(match capture.epoch {
            Some(seconds) => {
                jiff::Timestamp::from_second(seconds).map_or_else(|_| String::new(), |time| time.to_string())
            }
            None => jiff::Timestamp::now().to_string(),
        });
        let mut history = below.history.clone();
        history.push(History {
            created: created.clone(),
            created_by: capture.created_by.clone(),
            author: capture.author.to_owned(),
            comment: capture.message.to_owned(),
            empty_layer: is_empty,
        });
        let rootfs = oci::image::RootFs {
            diff_ids: layers.iter().map(|layer| layer.diff_id).collect(),
            ..oci::image::RootFs::default()
        };
        Ok(ImageConfig {
            created,
            author: capture.author.to_owned(),
            comment: capture.message.to_owned(),
            config,
            rootfs,
            history,
            container: String::new(),
            container_config: None,
            docker_version: String::new(),
            ..below
        })
    }
}
