//! What became of the name that a container was made by.

use std::collections::HashMap;

use image::Images;
use oci::reference::Reference;

use crate::paths::Engine;

/// Where a container comes from, as things are now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Digest of the manifest of its image; absent where that has been removed.
    pub(crate) digest: Option<String>,
    /// The name that it was made by leads to another image now, or nowhere.
    pub(crate) moved: bool,
}

/// Answers for many containers, each image looked up once.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    images: Option<Images>,
    known: HashMap<(String, String), Origin>,
}

impl Origins {
    /// Says what became of the name that a container was made by, of the image with this id.
    pub(crate) fn of(&mut self, engine: &Engine, name: &str, id: &str) -> Origin {
        let key = (name.to_owned(), id.to_owned());
        if let Some(origin) = self.known.get(&key) {
            return origin.clone();
        }
        if self.images.is_none() {
            self.images = super::open(engine).ok();
        }
        let origin = self.images.as_ref().map(|images| look(images, name, id)).unwrap_or_default();
        self.known.insert(key, origin.clone());
        origin
    }
}

fn look(images: &Images, name: &str, id: &str) -> Origin {
    let image = id.parse().ok().and_then(|id| images.image(&id).ok());
    let digest = image.map(|image| image.manifest.to_string());
    // Named by an id, or the beginning of one, it has no name that could move.
    let is_id =
        !name.is_empty() && id.trim_start_matches("sha256:").starts_with(name.trim_start_matches("sha256:"));
    let reference = Reference::parse_tagged(name).ok().filter(|reference| reference.digest().is_none());
    let leads = |reference: &Reference| images.reference(reference).ok().flatten();
    let moved = match reference {
        Some(reference) => match leads(&reference) {
            Some(record) => record.target.image.to_string() != id,
            None => !is_id,
        },
        None => false,
    };
    Origin { digest, moved }
}
