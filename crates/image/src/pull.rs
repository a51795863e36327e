//! `pull`: an image from a registry. The recipe:
//!
//! ```text
//! resolve      tag or digest → (index →) manifest for our platform → configuration
//! per layer    fetch, verify the digest, apply, verify the diff id     several side by side
//! commit       blobs, layers, image record, name                       see `commit.rs`
//! ```
//!
//! Each layer streams: what arrives is kept, hashed, decompressed, hashed and extracted at the same
//! time. What has arrived when it breaks off stays, and the next pull goes on from there.

mod download;
mod resolve;

use std::time::Duration;

use oci::digest::{Digest, ImageId};
use oci::image::{Descriptor, ImageConfig, Platform};
use oci::reference::Reference;
use registry::Repository;

use crate::archive::check_configuration;
use crate::assemble::{Assembly, Extent, in_parallel};
use crate::commit::{NewImage, Origin, StagedLayer, check_diff_id};
use crate::content::{DOCUMENT_BYTES_MAX, StagedBlob, stage_bytes};
use crate::record::{ImageRecord, LayerRecord, LayerRef};
use crate::root::{Workspace, now};
use crate::{Error, Images, Result};
use download::Downloads;
pub(crate) use download::aged_downloads;
pub(crate) use resolve::{Resolved, resolve};

/// Layers that are fetched at the same time. More than there are processors: most of it is waiting.
const WORKERS: usize = 4;
/// Indexes that an image remembers.
const INDEXES_MAX: usize = 8;

/// What is pulled.
#[derive(Debug, Clone)]
pub struct Pull<'a> {
    /// With a tag or a digest; the image is called so afterwards.
    pub reference: &'a Reference,
    /// This machine's otherwise.
    pub platform: Option<&'a Platform>,
}

/// What a pull led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    pub image: ImageId,
    /// What the registry has under the name: the digest of an index or a manifest.
    pub digest: Digest,
    /// All of it was there, and the name led to it.
    pub is_up_to_date: bool,
}

/// How far a layer is, on its way here or to a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It is wanted.
    Wanted,
    /// The store has it, or the registry.
    Exists,
    /// Somebody else fetches it.
    Waiting,
    /// So much of it is here.
    Fetched { bytes: u64, size: u64 },
    /// The connection broke; it goes on after a pause.
    Retrying { pause: Duration },
    /// It is here, and verified.
    Verified,
    /// It is extracted too; or the registry has it.
    Complete,
    /// So much of it has been sent.
    Sent { bytes: u64, size: u64 },
    /// The registry took it from another repository.
    Mounted,
}

/// Is told how far the layers are, from several threads.
pub trait Watch: Sync {
    /// One layer has come to a stage.
    fn layer(&self, digest: &Digest, stage: Stage);
}

impl Images {
    /// Pulls an image: acknowledged, it is durable; broken off, it is absent.
    pub fn pull(&self, repository: &Repository, pull: &Pull<'_>, watch: &dyn Watch) -> Result<Pulled> {
        self.sweep_staging()?;
        self.sweep_downloads()?;
        let resolved = resolve(repository, pull.reference, pull.platform)?;
        if let Some(pulled) = self.have(pull, &resolved)? {
            return Ok(pulled);
        }
        let workspace = self.workspace("pull")?;
        let config = self.fetch_configuration(repository, &resolved, pull.platform)?;
        let layers = &resolved.manifest.layers;
        let downloads = Downloads::new(self, repository, watch, layers);
        let diff_ids = &config.document.rootfs.diff_ids;
        let assembly = Assembly::new(self, &workspace, diff_ids, WORKERS);
        let extract = |index: usize, name: &str| {
            let applied = downloads.extract(&workspace, &layers[index], name)?;
            check_diff_id(layers[index].digest.to_string().as_ref(), &diff_ids[index], &applied.diff_id)?;
            watch.layer(&layers[index].digest, Stage::Complete);
            Ok(applied)
        };
        let mut staged: Vec<StagedLayer> = Vec::new();
        for extent in [Extent::Missing, Extent::All] {
            assembly.make(extent, &mut staged, &extract)?;
            let Some(records) = assembly.records(&staged)? else { continue };
            self.keep_blobs(&downloads, layers, &records)?;
            let new = self.new_image(&workspace, pull, &resolved, &config, staged, &records)?;
            match self.commit_as_it_came(new)? {
                Ok(()) => return Ok(resolved.pulled(false)),
                Err(unused) => staged = unused,
            }
        }
        unreachable!("an image whose layers are all staged relies on nothing")
    }

    /// Gives the name to an image that is here as the registry has it, and tells whether it had it.
    fn have(&self, pull: &Pull<'_>, resolved: &Resolved) -> Result<Option<Pulled>> {
        let reference = pull.reference;
        let _lease = self.lease()?;
        let Some(record) = self.whole_image(&resolved.image())? else { return Ok(None) };
        if let Some(wanted) = pull.platform.filter(|wanted| !record.platform.satisfies(wanted)) {
            let available = vec![record.platform.to_string()];
            return Err(Error::Platform { wanted: wanted.to_string(), available });
        }
        let index = resolved.index_digest();
        let known = index.is_none_or(|index| record.indexes.contains(&index));
        if record.manifest != resolved.manifest_digest() || !known {
            return Ok(None);
        }
        let before = self.reference(reference)?.map(|before| before.target);
        let named = before.is_some_and(|before| before.image == record.id && before.index == index);
        self.set_references(std::slice::from_ref(reference), &record, index)?;
        Ok(Some(resolved.pulled(named)))
    }

    /// Fetches the configuration, and checks that it fits the manifest.
    fn fetch_configuration(
        &self,
        repository: &Repository,
        resolved: &Resolved,
        platform: Option<&Platform>,
    ) -> Result<Configuration> {
        let Descriptor { digest, size, .. } = &resolved.manifest.config;
        let bytes = match self.blob_size(digest)? {
            Some(_) => self.read_blob(digest)?,
            None => repository.small_blob(digest, *size, DOCUMENT_BYTES_MAX as u64)?,
        };
        let document = check_configuration(&bytes, digest, resolved.manifest.layers.len(), platform)?;
        Ok(Configuration { bytes, document })
    }

    /// Fetches the bytes of layers whose trees were here already: an image is kept as it came. Their content is
    /// compared with the tree's: the registry decides what it sends, and the manifest does not name diff ids.
    fn keep_blobs(
        &self,
        downloads: &Downloads<'_>,
        layers: &[Descriptor],
        records: &[LayerRecord],
    ) -> Result<()> {
        let pairs: Vec<_> = layers.iter().zip(records).collect();
        let keep = |(layer, record): &(&Descriptor, &LayerRecord)| downloads.keep(layer, &record.diff_id);
        in_parallel(&pairs, WORKERS, keep).into_iter().collect()
    }

    fn new_image<'w>(
        &self,
        workspace: &'w Workspace,
        pull: &'w Pull<'_>,
        resolved: &Resolved,
        config: &Configuration,
        layers: Vec<StagedLayer>,
        records: &[LayerRecord],
    ) -> Result<NewImage<'w>> {
        let descriptors = &resolved.manifest.layers;
        let layer_ref = |(record, layer): (&LayerRecord, &Descriptor)| {
            LayerRef::new(record, layer.digest, layer.size, &layer.media_type)
        };
        let refs = records.iter().zip(descriptors).map(layer_ref).collect();
        let (id, manifest) = (resolved.image(), resolved.manifest_digest());
        let mut record = ImageRecord::new(id, manifest, &config.document, refs, records, now());
        record.indexes.extend(resolved.index_digest());
        if let Ok(before) = self.image(&id) {
            record.added = before.added;
            let known = before.indexes.into_iter().filter(|index| !record.indexes.contains(index));
            let known: Vec<Digest> = known.collect();
            record.indexes.extend(known);
            record.indexes.truncate(INDEXES_MAX);
        }
        let mut blobs = vec![
            staged(workspace, "config", &config.bytes)?,
            staged(workspace, "manifest", &resolved.manifest_bytes().bytes)?,
        ];
        if let Some(index) = &resolved.index {
            blobs.push(staged(workspace, "index", &index.bytes)?);
        }
        for layer in descriptors {
            // What is in the store by now is not among the downloads.
            if self.blob_size(&layer.digest)?.is_none() {
                blobs.push(StagedBlob { name: String::new(), digest: layer.digest, size: layer.size });
            }
        }
        blobs.sort_by_key(|blob| blob.digest);
        blobs.dedup_by(|a, b| a.digest == b.digest);
        let origin = Some(Origin { index: resolved.index_digest() });
        let references = std::slice::from_ref(pull.reference);
        Ok(NewImage { workspace, blobs, layers, record, references, origin })
    }

    /// Commits, and drops what the image was made of before, where it had come in another form.
    fn commit_as_it_came(&self, new: NewImage<'_>) -> Result<Result<(), Vec<StagedLayer>>> {
        let before = self.image(&new.record.id).ok();
        let committed = self.commit(new)?;
        if committed.is_ok()
            && let Some(before) = before
        {
            self.discard_unneeded(&before)?;
        }
        Ok(committed.map(|_moved| ()))
    }
}

/// A configuration as it came.
struct Configuration {
    bytes: Vec<u8>,
    document: ImageConfig,
}

/// Writes a document into the workspace, once.
fn staged(workspace: &Workspace, name: &str, bytes: &[u8]) -> Result<StagedBlob> {
    let _ = workspace.dir.unlink(name);
    stage_bytes(workspace, name, bytes)
}

/// What is kept under a digest, or refused.
fn refuse(name: impl Into<String>, reason: impl Into<String>) -> Error {
    Error::NoImage { name: name.into(), reason: reason.into() }
}
