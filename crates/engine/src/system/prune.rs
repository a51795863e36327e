//! `system prune`: removes all that is not in use.

use std::time::Duration;

use crate::error::Result;
use crate::paths::Engine;
use crate::request::{PruneImagesRequest, PruneSystemRequest, PruneVolumesRequest, PrunedSystem};

/// Removes stopped containers, then networks, volumes, the build cache and images that nobody uses any more.
pub fn prune(engine: &Engine, request: &PruneSystemRequest) -> Result<PrunedSystem> {
    let which = &request.which;
    let containers = crate::container::prune(engine, which)?;
    let networks = crate::network::prune(engine, which)?;
    let mut pruned = PrunedSystem {
        bytes: containers.bytes,
        containers: containers.ids,
        networks,
        ..PrunedSystem::default()
    };
    if request.volumes {
        let (labels, unlike) = (which.labels.clone(), which.unlike.clone());
        let volumes = PruneVolumesRequest { all: false, labels, unlike };
        let volumes = crate::volume::prune(engine, &volumes)?;
        pruned.volumes = volumes.names;
        pruned.bytes += volumes.bytes;
    }
    // The cache has no labels; its age is that of its last use.
    if which.labels.is_empty() && which.unlike.is_empty() {
        let now = jiff::Timestamp::now().as_second();
        let age = |until: i64| Duration::from_secs(now.saturating_sub(until).try_into().unwrap_or(0));
        pruned.bytes += crate::build::prune_cache(engine, which.until.map(age))?.bytes;
    }
    let images = PruneImagesRequest { all: request.all, which: which.clone() };
    let images = crate::image::prune(engine, &images)?;
    pruned.images = images.lines;
    pruned.bytes += images.bytes;
    Ok(pruned)
}
