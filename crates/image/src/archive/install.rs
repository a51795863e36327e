//! From the parts of an image in a workspace to an image in the store.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use oci::digest::{Digest, ImageId};
use oci::image::{Descriptor, ImageConfig, Manifest, Platform, media};

use super::{Found, FoundLayer, Loaded};
use crate::assemble::{Assembly, Extent, workers};
use crate::commit::{NewImage, StagedLayer, check_diff_id};
use crate::content::{StagedBlob, stage_bytes};
use crate::layer::detect;
use crate::record::{ImageRecord, LayerRecord, LayerRef};
use crate::root::{Workspace, now};
use crate::{Error, Images, LAYERS_MAX, Result};

impl Images {
    pub(super) fn install(
        &self,
        workspace: &Workspace,
        found: &Found,
        wanted: Option<&Platform>,
    ) -> Result<Loaded> {
        let config = self.configuration(workspace, found, wanted)?;
        let id = ImageId::new(found.config.digest);
        if let Some(moved) = self.name_if_whole(&id, &found.references)? {
            return Ok(Loaded { id, references: found.references.clone(), moved });
        }
        let media_types = found.layers.iter().map(|layer| self.media_type(workspace, layer));
        let media_types = media_types.collect::<Result<Vec<_>>>()?;
        let manifest = match &found.manifest {
            Some(manifest) => manifest.clone(),
            None => make_manifest(workspace, found, &media_types)?,
        };
        let assembly = Assembly::new(self, workspace, &config.rootfs.diff_ids, workers());
        let extract = |index: usize, name: &str| {
            let layer = &found.layers[index];
            let applied = workspace.extract(name, self.open_staged(workspace, &layer.blob)?)?;
            check_diff_id(Path::new(&layer.name), &config.rootfs.diff_ids[index], &applied.diff_id)?;
            Ok(applied)
        };
        let mut layers: Vec<StagedLayer> = Vec::new();
        for extent in [Extent::Missing, Extent::All] {
            assembly.make(extent, &mut layers, &extract)?;
            let Some(records) = assembly.records(&layers)? else { continue };
            let record = image_record(found, &config, manifest.digest, &records, &media_types);
            let blobs = found.layers.iter().map(|layer| layer.blob.clone());
            let blobs = blobs.chain([found.config.clone(), manifest.clone()]).collect();
            let references = &found.references;
            let new = NewImage { workspace, blobs, layers, record, references, origin: None };
            match self.commit(new)? {
                Ok(moved) => return Ok(Loaded { id, references: references.clone(), moved }),
                Err(unused) => layers = unused,
            }
        }
        unreachable!("an image whose layers are all staged relies on nothing")
    }

    fn configuration(
        &self,
        workspace: &Workspace,
        found: &Found,
        wanted: Option<&Platform>,
    ) -> Result<ImageConfig> {
        let bytes = self.read_staged(workspace, &found.config)?;
        check_configuration(&bytes, &found.config.digest, found.layers.len(), wanted)
    }

    fn media_type(&self, workspace: &Workspace, layer: &FoundLayer) -> Result<&'static str> {
        media_type_of(self.open_staged(workspace, &layer.blob)?)
    }
}

/// Reads a configuration; it must be for the wanted platform and tell of as many layers as there are.
pub(crate) fn check_configuration(
    bytes: &[u8],
    digest: &Digest,
    layers: usize,
    wanted: Option<&Platform>,
) -> Result<ImageConfig> {
    let name = || digest.to_string();
    let config = ImageConfig::parse(bytes).map_err(|source| Error::Document { name: name(), source })?;
    let platform = config.platform();
    let wanted = wanted.cloned().unwrap_or_else(|| Platform { os: "linux".to_owned(), ..platform.clone() });
    if !platform.satisfies(&wanted) {
        return Err(Error::Platform { wanted: wanted.to_string(), available: vec![platform.to_string()] });
    }
    let diff_ids = config.rootfs.diff_ids.len();
    if layers != diff_ids {
        return Err(Error::Archive(format!("image {} has {layers} layers but {diff_ids} diff ids", name())));
    }
    if layers > LAYERS_MAX {
        return Err(Error::TooManyLayers(layers));
    }
    Ok(config)
}

/// Judges a layer by how it begins.
pub(crate) fn media_type_of(file: File) -> Result<&'static str> {
    let mut first = Vec::new();
    let read_error = |source| Error::Read { what: "layer".to_owned(), source };
    file.take(6).read_to_end(&mut first).map_err(read_error)?;
    Ok(detect(&first)?.media_type())
}

fn make_manifest(workspace: &Workspace, found: &Found, media_types: &[&str]) -> Result<StagedBlob> {
    let layers = found.layers.iter().zip(media_types).map(|(layer, media)| descriptor(&layer.blob, media));
    let manifest = manifest_bytes(&found.config, layers.collect())?;
    stage_bytes(workspace, &format!("manifest-{}", found.config.digest.hex()), &manifest)
}

/// Writes the manifest of an image that came without one.
pub(crate) fn manifest_bytes(config: &StagedBlob, layers: Vec<Descriptor>) -> Result<Vec<u8>> {
    let manifest = Manifest {
        schema_version: 2,
        media_type: media::OCI_MANIFEST.to_owned(),
        config: descriptor(config, media::OCI_CONFIG),
        layers,
        annotations: std::collections::BTreeMap::new(),
    };
    to_json("manifest", &manifest)
}

/// Encodes a document.
pub(crate) fn to_json(what: &'static str, value: &impl serde::Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|source| store::Error::Encode { kind: what, source }.into())
}

pub(crate) fn descriptor(blob: &StagedBlob, media_type: &str) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: blob.digest,
        size: blob.size,
        platform: None,
        annotations: std::collections::BTreeMap::new(),
        artifact_type: None,
    }
}

/// Points to a layer of an image that is there.
pub(crate) fn descriptor_of(layer: &LayerRef) -> Descriptor {
    let blob = StagedBlob { name: String::new(), digest: layer.blob, size: layer.blob_size };
    descriptor(&blob, &layer.media_type)
}

fn image_record(
    found: &Found,
    config: &ImageConfig,
    manifest: Digest,
    layers: &[LayerRecord],
    media_types: &[&str],
) -> ImageRecord {
    let refs = layers.iter().zip(&found.layers).zip(media_types);
    let layer_ref = |((record, found), media): ((&LayerRecord, &FoundLayer), &&str)| {
        LayerRef::new(record, found.blob.digest, found.blob.size, media)
    };
    ImageRecord::new(
        ImageId::new(found.config.digest),
        manifest,
        config,
        refs.map(layer_ref).collect(),
        layers,
        now(),
    )
}
