//! `image prune`: removes images that no container uses, and what belongs to nobody any more.

use std::collections::HashSet;

use image::Force;
use oci::class::Class;
use oci::digest::ImageId;

use super::manage::{lines_of, tell, uses};
use crate::error::Result;
use crate::paths::Engine;
use crate::request::{PruneImagesRequest, PrunedImages};

/// Removes images that no container uses; returns how many bytes that has freed.
pub(crate) fn remove_unused(engine: &Engine, ids: &[ImageId]) -> Result<u64> {
    let images = super::open(engine)?;
    let uses = uses(engine)?;
    let mut bytes = 0;
    for id in ids.iter().filter(|id| !uses.iter().any(|one| one.image == **id)) {
        match images.remove_measured(&id.to_string(), Force::Yes, &uses) {
            Ok((removals, freed)) => {
                tell(engine, &id.to_string(), &removals);
                bytes += freed;
            }
            Err(error) if matches!(error.class(), Class::Conflict | Class::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(bytes)
}

/// Removes images without a name that no container uses, or all that none uses.
pub fn prune(engine: &Engine, request: &PruneImagesRequest) -> Result<PrunedImages> {
    let images = super::open(engine)?;
    let uses = uses(engine)?;
    let used: HashSet<_> = uses.iter().map(|one| one.image).collect();
    // Those of the build cache go with that.
    let cached = crate::build::cached_images(engine)?;
    let mut pruned = PrunedImages::default();
    for summary in images.list_images()? {
        let image = &summary.image;
        let created = summary.created().unwrap_or(image.added).saturating_mul(1_000_000_000);
        let wanted = (request.all || summary.references.is_empty())
            && !used.contains(&image.id)
            && !(summary.references.is_empty() && cached.contains(&image.id))
            && request.which.means(&image.config.labels, created);
        if !wanted {
            continue;
        }
        let id = image.id.to_string();
        match images.remove_measured(&id, Force::Yes, &uses) {
            Ok((removals, bytes)) => {
                tell(engine, &id, &removals);
                pruned.bytes += bytes;
                // In lower case, as Docker prints them here.
                pruned
                    .lines
                    .extend(lines_of(removals).iter().map(|line| line[..1].to_lowercase() + &line[1..]));
            }
            // Taken into use, or removed, since it was looked at.
            Err(error) if matches!(error.class(), Class::Conflict | Class::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // What a crash, or a container of an image that was removed by force, has left.
    pruned.bytes += images.collect_unneeded()?;
    Ok(pruned)
}
