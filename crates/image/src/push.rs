//! `push`: an image to a registry, as it is in the store: blobs first, then the manifest, the name last.
//!
//! What was pulled goes out byte for byte as it came in. An index goes along where the registry gets all
//! that it names; of what was pulled for one platform it gets the manifest.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use oci::digest::Digest;
use oci::image::{Document, media, parse_document};
use oci::reference::Reference;
use registry::{Repository, Selector, Sent, Source};

use crate::assemble::in_parallel;
use crate::content::DOCUMENT_BYTES_MAX;
use crate::pull::{Stage, Watch};
use crate::record::{ImageRecord, LayerRef};
use crate::root::Workspace;
use crate::{Error, Images, Result};

/// Layers that are sent at the same time.
const WORKERS: usize = 4;
/// Repositories that a registry is asked to take blobs from.
const MOUNTS_MAX: usize = 4;

/// What the registry has under the name now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    pub digest: Digest,
    /// Bytes of that document.
    pub size: u64,
    /// The image was chosen from an index, and the registry got the manifest alone.
    pub without_index: bool,
}

/// Lists repositories of the same registry that share layers with an image: from there a blob may be mounted.
pub fn mountable(images: &Images, reference: &Reference, image: &ImageRecord) -> Result<Vec<String>> {
    let mut others: Vec<String> = Vec::new();
    for record in images.references()? {
        let other = &record.reference;
        let elsewhere = other.domain() == reference.domain() && other.path() != reference.path();
        if !elsewhere || others.iter().any(|known| known == other.path()) || others.len() >= MOUNTS_MAX {
            continue;
        }
        let Ok(there) = images.image(&record.target.image) else { continue };
        let shares = |layer: &LayerRef| there.layers.iter().any(|other| other.blob == layer.blob);
        if image.layers.iter().any(shares) {
            others.push(other.path().to_owned());
        }
    }
    Ok(others)
}

impl Images {
    /// Pushes the image that a name leads to, to the repository of this name.
    pub fn push(
        &self,
        repository: &Repository,
        reference: &Reference,
        mount_from: &[String],
        watch: &dyn Watch,
    ) -> Result<Pushed> {
        // As with `save`: nothing of it is removed while it is read.
        let _lease = self.lease()?;
        let image = self.resolve(&reference.to_string())?;
        let sending = Sending { images: self, repository, mount_from, watch };
        let tag = reference.tag().unwrap_or("latest");
        let index = self.reference(reference)?.and_then(|record| record.target.index);
        if let Some(index) = index
            && sending.all_of(&index)?
        {
            return sending.document(&index, Selector::Tag(tag), false);
        }
        sending.blobs(&image)?;
        sending.document(&image.manifest, Selector::Tag(tag), index.is_some())
    }
}

/// One push.
struct Sending<'a> {
    images: &'a Images,
    repository: &'a Repository,
    mount_from: &'a [String],
    watch: &'a dyn Watch,
}

impl Sending<'_> {
    /// Sends layers and configuration of an image, several side by side.
    fn blobs(&self, image: &ImageRecord) -> Result<()> {
        let workspace = self.images.workspace("push")?;
        let mut layers: Vec<&LayerRef> = Vec::new();
        for layer in &image.layers {
            if !layers.iter().any(|known| known.blob == layer.blob) {
                self.watch.layer(&layer.blob, Stage::Wanted);
                layers.push(layer);
            }
        }
        let send = |layer: &&LayerRef| self.layer(&workspace, layer);
        in_parallel(&layers, WORKERS, send).into_iter().collect::<Result<()>>()?;
        let size = self.images.blob_size(image.id.digest())?.unwrap_or_default();
        let source = Opened(self.images.open_blob(image.id.digest())?);
        self.repository.push_blob(image.id.digest(), size, &source, &[], &|_| (), &|_, _| ())?;
        Ok(())
    }

    fn layer(&self, workspace: &Workspace, layer: &LayerRef) -> Result<()> {
        let (digest, size) = (&layer.blob, layer.blob_size);
        if layer.packed && self.repository.has_blob(digest)? {
            self.watch.layer(digest, Stage::Exists);
            return Ok(());
        }
        let source = Opened(match layer.packed {
            false => self.images.open_blob(digest)?,
            // It lies nowhere: it is made, so that it can be read again from the middle.
            true => {
                let name = format!("packed-{}", digest.hex());
                let mut file = workspace.create(&name)?;
                self.images.write_packed(layer, &mut file)?;
                file
            }
        });
        let progress = |bytes| self.watch.layer(digest, Stage::Sent { bytes, size });
        let on_retry = |_: &registry::Error, pause| self.watch.layer(digest, Stage::Retrying { pause });
        let sent = self.repository.push_blob(digest, size, &source, self.mount_from, &progress, &on_retry)?;
        self.watch.layer(
            digest,
            match sent {
                Sent::Exists => Stage::Exists,
                Sent::Mounted(_) => Stage::Mounted,
                Sent::Uploaded => Stage::Complete,
            },
        );
        Ok(())
    }

    /// Sends what an index names, unless something of it is neither here nor there; then nothing of it.
    fn all_of(&self, index: &Digest) -> Result<bool> {
        let Some(Document::Index(index)) = self.parsed(index)? else { return Ok(false) };
        let ids = self.images.image_ids()?;
        let images: Vec<ImageRecord> = ids.iter().filter_map(|id| self.images.image(id).ok()).collect();
        let mut here = Vec::new();
        for entry in &index.manifests {
            match images.iter().find(|image| image.manifest == entry.digest) {
                Some(image) => here.push(image),
                None if self.repository.has_manifest(&entry.digest)? => {}
                None => return Ok(false),
            }
        }
        for image in here {
            self.blobs(image)?;
            self.document(&image.manifest, Selector::Digest(&image.manifest), false)?;
        }
        Ok(true)
    }

    fn parsed(&self, digest: &Digest) -> Result<Option<Document>> {
        if self.images.blob_size(digest)?.is_none() {
            return Ok(None);
        }
        let bytes = self.images.read_blob(digest)?;
        let document = parse_document(&bytes);
        document.map(Some).map_err(|source| Error::Document { name: digest.to_string(), source })
    }

    /// Sends a manifest or index as it is, and says what is there now.
    fn document(&self, digest: &Digest, selector: Selector<'_>, without_index: bool) -> Result<Pushed> {
        let bytes = self.images.read_blob(digest)?;
        debug_assert!(bytes.len() <= DOCUMENT_BYTES_MAX);
        let invalid = |source| Error::Document { name: digest.to_string(), source };
        let (own, default) = match parse_document(&bytes).map_err(invalid)? {
            Document::Manifest(manifest) => (manifest.media_type, media::OCI_MANIFEST),
            Document::Index(index) => (index.media_type, media::OCI_INDEX),
        };
        let media_type = if own.is_empty() { default } else { &own };
        self.repository.put_manifest(selector, media_type, &bytes)?;
        Ok(Pushed { digest: *digest, size: bytes.len() as u64, without_index })
    }
}

/// A file that several readers read, each from its own position.
struct Opened(File);

impl Source for Opened {
    fn open(&self, position: u64) -> io::Result<Box<dyn Read>> {
        // By way of its own path: a duplicate would share the position.
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&self.0));
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(position))?;
        Ok(Box::new(file))
    }
}
