//! `load`: images from docker-archive and OCI archive tars, from a file or a pipe.
//!
//! A pipe cannot be searched and the table of contents comes last in Docker's archives, so every
//! member goes to a workspace as it comes, hashed on the way; then the table is read, the layers are
//! extracted, several at a time, and each image is committed as a whole.

mod docker;
mod install;
pub(crate) use install::{
    check_configuration, descriptor, descriptor_of, manifest_bytes, media_type_of, to_json,
};
mod members;
mod oci_layout;
mod save;

use std::io::Read;

use oci::digest::{Digest, ImageId};
use oci::image::Platform;
use oci::reference::Reference;

use crate::content::StagedBlob;
use crate::{Error, Images, Result};
use members::Members;
pub use save::{SaveFormat, Saving};

/// One image that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    pub id: ImageId,
    /// The names it got; none is a valid answer.
    pub references: Vec<Reference>,
    /// Names that led to another image before.
    pub moved: Vec<(Reference, ImageId)>,
}

/// An image of the archive, all its parts found.
#[derive(Debug)]
struct Found {
    /// `None` where the archive has none and one is made.
    manifest: Option<StagedBlob>,
    config: StagedBlob,
    layers: Vec<FoundLayer>,
    references: Vec<Reference>,
}

#[derive(Debug)]
struct FoundLayer {
    blob: StagedBlob,
    /// What the archive calls it, for messages.
    name: String,
}

impl Images {
    /// Loads all images of an archive: docker-archive or OCI layout, compressed or not.
    ///
    /// Of an image for several platforms the one for `platform`, or for this machine, is taken.
    pub fn load(&self, source: impl Read + Send, platform: Option<&Platform>) -> Result<Vec<Loaded>> {
        self.sweep_staging()?;
        let workspace = self.workspace("load")?;
        let members = Members::read(&workspace, source)?;
        let found = if members.has("oci-layout") && members.has("index.json") {
            oci_layout::find(self, &workspace, &members, platform)?
        } else if members.has("manifest.json") {
            docker::find(self, &workspace, &members)?
        } else if members.has("repositories") {
            return Err(Error::Archive("the format of Docker before 1.10 is not supported".to_owned()));
        } else {
            return Err(Error::Archive(
                "it holds neither `manifest.json` nor `index.json` (a root file system is taken by `import`)"
                    .to_owned(),
            ));
        };
        found.iter().map(|image| self.install(&workspace, image, platform)).collect()
    }
}

fn check_digest(what: &str, expected: &Digest, found: &Digest) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::DigestMismatch { what: what.to_owned(), expected: *expected, found: *found })
}
