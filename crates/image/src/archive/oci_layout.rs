//! OCI image layout in a tar: `index.json` points to manifests, or to further indexes.

use oci::image::{
    ANNOTATION_IMAGE_NAME, ANNOTATION_REF_NAME, Descriptor, Document, Index, Manifest, Platform, media,
    parse_document,
};
use oci::reference::Reference;

use super::members::Members;
use super::{Found, FoundLayer, check_digest};
use crate::content::StagedBlob;
use crate::reference::parse_tag;
use crate::root::Workspace;
use crate::{Error, Images, Result};

const INDEX_DEPTH_MAX: usize = 4;
/// Marks what buildkit puts beside images: provenance and bills of materials.
const ANNOTATION_ATTESTATION: &str = "vnd.docker.reference.type";

struct Layout<'a> {
    images: &'a Images,
    workspace: &'a Workspace,
    members: &'a Members,
    wanted: Platform,
    /// Platforms that were found and not wanted.
    others: Vec<String>,
}

/// Finds the images of the archive, each for the wanted platform.
pub(super) fn find(
    images: &Images,
    workspace: &Workspace,
    members: &Members,
    platform: Option<&Platform>,
) -> Result<Vec<Found>> {
    let wanted = platform.cloned().unwrap_or_else(Platform::host);
    let mut layout = Layout { images, workspace, members, wanted, others: Vec::new() };
    let index = members.get("index.json")?;
    let Document::Index(index) = layout.document(index, "index.json")? else {
        return Err(Error::Archive("`index.json` is a manifest and no index".to_owned()));
    };
    let mut found = Vec::new();
    for descriptor in &index.manifests {
        // In the outermost index each entry is an image; platforms are alternatives only where told.
        if layout.is_image(descriptor) && layout.is_wanted(descriptor.platform.as_ref()) {
            found.extend(layout.follow(descriptor, reference(descriptor)?, 1)?);
        }
    }
    if found.is_empty() {
        return Err(match layout.others.is_empty() {
            true => Error::Archive("it holds no image".to_owned()),
            false => Error::Platform { wanted: layout.wanted.to_string(), available: layout.others },
        });
    }
    Ok(found)
}

impl Layout<'_> {
    /// Follows a descriptor to a manifest for the wanted platform.
    fn follow(
        &mut self,
        descriptor: &Descriptor,
        name: Option<Reference>,
        depth: usize,
    ) -> Result<Option<Found>> {
        let blob = self.blob(descriptor)?.clone();
        match self.document(&blob, &descriptor.digest.to_string())? {
            Document::Manifest(manifest) => self.image(blob, &manifest, name).map(Some),
            Document::Index(_) if depth >= INDEX_DEPTH_MAX => {
                Err(Error::Archive(format!("indexes are nested more than {INDEX_DEPTH_MAX} deep")))
            }
            Document::Index(index) => match self.choose(&index) {
                Some(chosen) => {
                    let chosen = chosen.clone();
                    self.follow(&chosen, name, depth + 1)
                }
                None => Ok(None),
            },
        }
    }

    fn choose<'i>(&mut self, index: &'i Index) -> Option<&'i Descriptor> {
        let images: Vec<&Descriptor> = index.manifests.iter().filter(|entry| self.is_image(entry)).collect();
        images.into_iter().find(|descriptor| self.is_wanted(descriptor.platform.as_ref()))
    }

    fn is_wanted(&mut self, platform: Option<&Platform>) -> bool {
        match platform {
            Some(platform) if !platform.satisfies(&self.wanted) => {
                self.others.push(platform.to_string());
                false
            }
            _ => true,
        }
    }

    fn is_image(&self, descriptor: &Descriptor) -> bool {
        let kinds = ["", media::OCI_MANIFEST, media::OCI_INDEX, media::DOCKER_MANIFEST, media::DOCKER_INDEX];
        kinds.contains(&&*descriptor.media_type)
            && descriptor.artifact_type.is_none()
            && !descriptor.annotations.contains_key(ANNOTATION_ATTESTATION)
    }

    fn image(&self, blob: StagedBlob, manifest: &Manifest, name: Option<Reference>) -> Result<Found> {
        let layer = |descriptor: &Descriptor| {
            Ok(FoundLayer { blob: self.blob(descriptor)?.clone(), name: descriptor.digest.to_string() })
        };
        Ok(Found {
            config: self.blob(&manifest.config)?.clone(),
            layers: manifest.layers.iter().map(layer).collect::<Result<_>>()?,
            manifest: Some(blob),
            references: name.into_iter().collect(),
        })
    }

    /// Finds what a descriptor points to and checks that it is that.
    fn blob(&self, descriptor: &Descriptor) -> Result<&StagedBlob> {
        let name = format!("blobs/sha256/{}", descriptor.digest.hex());
        let blob = self.members.get(&name)?;
        check_digest(&format!("member `{name}`"), &descriptor.digest, &blob.digest)?;
        if blob.size != descriptor.size {
            let what = format!("member `{name}`");
            return Err(Error::SizeMismatch { what, expected: descriptor.size, found: blob.size });
        }
        Ok(blob)
    }

    fn document(&self, blob: &StagedBlob, name: &str) -> Result<Document> {
        let bytes = self.images.read_staged(self.workspace, blob)?;
        parse_document(&bytes).map_err(|source| Error::Document { name: name.to_owned(), source })
    }
}

/// Returns the name that the annotations give. A bare tag (`latest`) names nothing by itself.
fn reference(descriptor: &Descriptor) -> Result<Option<Reference>> {
    let annotation = |key| descriptor.annotations.get(key);
    let whole = annotation(ANNOTATION_IMAGE_NAME);
    let name = whole.or_else(|| annotation(ANNOTATION_REF_NAME).filter(|name| name.contains(['/', ':'])));
    name.map(|name| parse_tag(name)).transpose()
}
