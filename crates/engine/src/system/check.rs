//! `system check`: holds content against its digests, and repairs what can be.

use image::{Check, Repair};
use oci::digest::ChainId;

use crate::container::all_containers;
use crate::error::Result;
use crate::paths::Engine;
use crate::request::CheckRequest;

/// Reads all images and layers.
pub fn check(engine: &Engine, request: CheckRequest) -> Result<Check> {
    let running: Vec<_> = all_containers(engine)?
        .into_iter()
        .filter(|container| container.is_running() || container.is_restarting())
        .map(|container| container.record)
        .collect();
    let used_by = |layer: &ChainId| {
        let hex = layer.hex();
        let has = |path: &std::path::PathBuf| path.components().any(|part| part.as_os_str() == hex.as_str());
        let uses = |overlay: &oci::rootfs::Overlay| overlay.lowers.iter().any(has);
        let record = running.iter().find(|record| {
            let images = record.placed();
            let mounted = images.iter().any(|mount| match mount {
                crate::container::Placed::Image(image) => uses(&image.layers),
                _ => false,
            });
            record.rootfs.as_ref().is_some_and(uses) || mounted
        });
        record.map(|record| record.name.clone())
    };
    Ok(crate::image::open(engine)?.check(&Repair { wanted: request.repair, used_by: &used_by })?)
}
