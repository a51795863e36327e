//! From the parts of an image in a workspace to an image in the store.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use oci::digest::{ChainId, ImageId};
use oci::image::{Descriptor, ImageConfig, Manifest, Platform, media};

use super::{Found, FoundLayer, Loaded};
use crate::commit::{NewImage, StagedLayer, check_diff_id};
use crate::content::{StagedBlob, stage_bytes};
use crate::hash::chain_ids;
use crate::layer::detect;
use crate::record::{ImageRecord, LayerRecord, LayerRef};
use crate::root::{NamedLock, Workspace, now};
use crate::{Error, Images, LAYERS_MAX, Result};

/// Layers that are extracted at the same time; each has three threads of its own.
const WORKERS_MAX: usize = 4;
/// Which layers are extracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Those that the store does not have.
    Missing,
    /// All: one that was there has been removed while we worked, and the others may be next.
    All,
}

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
        let chain_ids = chain_ids(&config.rootfs.diff_ids);
        let media_types = found.layers.iter().map(|layer| self.media_type(workspace, layer));
        let media_types = media_types.collect::<Result<Vec<_>>>()?;
        let manifest = match &found.manifest {
            Some(manifest) => manifest.clone(),
            None => make_manifest(workspace, found, &media_types)?,
        };
        let mut layers: Vec<StagedLayer> = Vec::new();
        for extent in [Extent::Missing, Extent::All] {
            self.make_layers(workspace, found, &config, &chain_ids, extent, &mut layers)?;
            let Some(records) = self.layer_records(&chain_ids, &layers)? else { continue };
            let record = image_record(found, &config, manifest.digest, &records, &media_types);
            let blobs = found.layers.iter().map(|layer| layer.blob.clone());
            let blobs = blobs.chain([found.config.clone(), manifest.clone()]).collect();
            let references = &found.references;
            let new = NewImage { workspace, blobs, layers, record, references };
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
        let name = || found.config.digest.to_string();
        let config = ImageConfig::parse(&bytes).map_err(|source| Error::Document { name: name(), source })?;
        let platform = config.platform();
        let wanted =
            wanted.cloned().unwrap_or_else(|| Platform { os: "linux".to_owned(), ..platform.clone() });
        if !platform.satisfies(&wanted) {
            return Err(Error::Platform {
                wanted: wanted.to_string(),
                available: vec![platform.to_string()],
            });
        }
        let (layers, diff_ids) = (found.layers.len(), config.rootfs.diff_ids.len());
        if layers != diff_ids {
            let text = format!("image {} has {layers} layers but {diff_ids} diff ids", name());
            return Err(Error::Archive(text));
        }
        if layers > LAYERS_MAX {
            return Err(Error::TooManyLayers(layers));
        }
        Ok(config)
    }

    /// Extracts layers that are not staged yet.
    fn make_layers(
        &self,
        workspace: &Workspace,
        found: &Found,
        config: &ImageConfig,
        chain_ids: &[ChainId],
        extent: Extent,
        staged: &mut Vec<StagedLayer>,
    ) -> Result<()> {
        // Whoever comes again goes without locks: to take one that lies below those it holds would be to
        // wait for somebody who goes from the bottom up. Two may make the same layer then; one is kept.
        staged.iter_mut().for_each(|layer| layer.lock = None);
        let mut missing = Vec::new();
        // From the lowest layer up: images that share layers share the lowest ones, so that two loads
        // can wait for each other in one order alone.
        for (index, chain_id) in chain_ids.iter().enumerate() {
            let is_staged = staged.iter().any(|layer| layer.record.chain_id == *chain_id);
            if is_staged || extent == Extent::Missing && self.layer(chain_id)?.is_some() {
                continue;
            }
            let lock = match extent {
                Extent::Missing => Some(self.lock_layer(&chain_id.hex())?),
                Extent::All => None,
            };
            // Unless somebody else has made it while we waited.
            if lock.is_none() || self.layer(chain_id)?.is_none() {
                missing.push(Mutex::new(Some((index, lock))));
            }
        }
        let make = |slot: &Mutex<Option<(usize, Option<NamedLock>)>>| {
            let (index, lock) = slot.lock().expect("no holder panics").take().expect("each is taken once");
            let (layer, chain_id) = (&found.layers[index], chain_ids[index]);
            let name = format!("layer-{}", chain_id.hex());
            let applied = workspace.extract(&name, self.open_staged(workspace, &layer.blob)?)?;
            check_diff_id(Path::new(&layer.name), &config.rootfs.diff_ids[index], &applied.diff_id)?;
            let parent = index.checked_sub(1).map(|below| chain_ids[below]);
            let record = workspace.describe(&name, &applied, chain_id, parent)?;
            Ok(StagedLayer { record, name, lock })
        };
        for layer in in_parallel(&missing, make) {
            staged.push(layer?);
        }
        Ok(())
    }

    /// Returns the records of all layers; `None` where one has vanished meanwhile.
    fn layer_records(
        &self,
        chain_ids: &[ChainId],
        staged: &[StagedLayer],
    ) -> Result<Option<Vec<LayerRecord>>> {
        let mut records = Vec::with_capacity(chain_ids.len());
        for chain_id in chain_ids {
            let made = staged.iter().find(|layer| layer.record.chain_id == *chain_id);
            match made
                .map(|layer| layer.record.clone())
                .map_or_else(|| self.layer(chain_id), |made| Ok(Some(made)))?
            {
                Some(record) => records.push(record),
                None => return Ok(None),
            }
        }
        Ok(Some(records))
    }

    fn media_type(&self, workspace: &Workspace, layer: &FoundLayer) -> Result<&'static str> {
        media_type_of(self.open_staged(workspace, &layer.blob)?)
    }
}

/// Runs `make` over all items on a few threads; the results are in order.
fn in_parallel<T: Sync, R: Send>(items: &[T], make: impl Fn(&T) -> Result<R> + Sync) -> Vec<Result<R>> {
    let workers =
        std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX).min(items.len());
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<Result<R>>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return };
            let result = make(item);
            if result.is_err() {
                // The others need not begin.
                next.store(items.len(), Ordering::Relaxed);
            }
            *results[index].lock().expect("no holder panics") = Some(result);
        }
    };
    std::thread::scope(|threads| {
        for _ in 1..workers {
            threads.spawn(work);
        }
        work();
    });
    results.into_iter().filter_map(|result| result.into_inner().expect("no holder panics")).collect()
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
    manifest: oci::digest::Digest,
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
