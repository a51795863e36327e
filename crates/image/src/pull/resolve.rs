//! From a name to a manifest: through indexes, to the one for the wanted platform.

use oci::digest::{Digest, ImageId};
use oci::image::{Descriptor, Document, Index, Manifest, Platform, media};
use oci::reference::Reference;
use registry::{Fetched, Repository, Selector};

use super::{Pulled, refuse};
use crate::{Error, Result};

const INDEX_DEPTH_MAX: usize = 4;
/// Marks what buildkit puts beside images: provenance and bills of materials.
const ANNOTATION_ATTESTATION: &str = "vnd.docker.reference.type";

/// What layers may be. Foreign ones lie at addresses that the manifest names: nobody is sent there.
const LAYERS: [&str; 8] = [
    media::OCI_LAYER,
    media::OCI_LAYER_GZIP,
    media::OCI_LAYER_ZSTD,
    media::DOCKER_LAYER,
    media::DOCKER_LAYER_GZIP,
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
];

/// A manifest, and the index that it was chosen from.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// The outermost one.
    pub(super) index: Option<Fetched>,
    fetched: Fetched,
    pub(super) manifest: Manifest,
}

impl Resolved {
    pub(super) fn image(&self) -> ImageId {
        ImageId::new(self.manifest.config.digest)
    }

    pub(super) fn index_digest(&self) -> Option<Digest> {
        self.index.as_ref().map(|index| index.digest)
    }

    pub(super) fn manifest_digest(&self) -> Digest {
        self.fetched.digest
    }

    pub(super) fn manifest_bytes(&self) -> &Fetched {
        &self.fetched
    }

    pub(super) fn pulled(&self, is_up_to_date: bool) -> Pulled {
        let digest = self.index_digest().unwrap_or_else(|| self.manifest_digest());
        Pulled { image: self.image(), digest, is_up_to_date }
    }
}

/// Asks the registry what a name with a tag or digest means here.
pub(crate) fn resolve(
    repository: &Repository,
    reference: &Reference,
    platform: Option<&Platform>,
) -> Result<Resolved> {
    let wanted = platform.cloned().unwrap_or_else(Platform::host);
    let selector = match (reference.digest(), reference.tag()) {
        (Some(digest), _) => Selector::Digest(digest),
        (None, tag) => Selector::Tag(tag.unwrap_or("latest")),
    };
    let mut fetched = repository.manifest(selector)?;
    let mut outermost = None;
    for _ in 0..=INDEX_DEPTH_MAX {
        let index = match fetched.document.clone() {
            Document::Manifest(manifest) => {
                check(reference, &manifest)?;
                return Ok(Resolved { index: outermost, fetched, manifest });
            }
            Document::Index(index) => index,
        };
        let chosen = choose(&index, &wanted)?;
        let inner = repository.manifest(Selector::Digest(&chosen.digest))?;
        if inner.bytes.len() as u64 != chosen.size {
            return Err(Error::SizeMismatch {
                what: format!("manifest {}", chosen.digest),
                expected: chosen.size,
                found: inner.bytes.len() as u64,
            });
        }
        let outer = std::mem::replace(&mut fetched, inner);
        outermost.get_or_insert(outer);
    }
    Err(refuse(reference.familiar(), format!("indexes are nested more than {INDEX_DEPTH_MAX} deep")))
}

/// Chooses from an index; what names its platform comes before what names none.
fn choose<'i>(index: &'i Index, wanted: &Platform) -> Result<&'i Descriptor> {
    let images = || index.manifests.iter().filter(|entry| is_image(entry));
    let satisfies =
        |entry: &&Descriptor| entry.platform.as_ref().is_some_and(|found| found.satisfies(wanted));
    let chosen = images().find(satisfies).or_else(|| images().find(|entry| entry.platform.is_none()));
    chosen.ok_or_else(|| Error::Platform {
        wanted: wanted.to_string(),
        available: images().filter_map(|entry| Some(entry.platform.as_ref()?.to_string())).collect(),
    })
}

fn is_image(entry: &Descriptor) -> bool {
    let kinds = ["", media::OCI_MANIFEST, media::OCI_INDEX, media::DOCKER_MANIFEST, media::DOCKER_INDEX];
    kinds.contains(&&*entry.media_type)
        && entry.artifact_type.is_none()
        && !entry.annotations.contains_key(ANNOTATION_ATTESTATION)
}

/// Refuses what has the form of an image and is none: charts, signatures, modules.
fn check(reference: &Reference, manifest: &Manifest) -> Result<()> {
    let config = &*manifest.config.media_type;
    if !["", media::OCI_CONFIG, media::DOCKER_CONFIG].contains(&config) {
        return Err(refuse(reference.familiar(), format!("its configuration is `{config}`")));
    }
    match manifest.layers.iter().find(|layer| !LAYERS.contains(&&*layer.media_type)) {
        Some(layer) if layer.media_type.contains(".foreign.") => Err(refuse(
            reference.familiar(),
            format!("layer {} is to be fetched from elsewhere than the registry", layer.digest),
        )),
        Some(layer) => Err(refuse(reference.familiar(), format!("a layer of it is `{}`", layer.media_type))),
        None => Ok(()),
    }
}
