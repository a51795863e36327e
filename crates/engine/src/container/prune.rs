//! `container prune`: forgets the containers that do not run.

use oci::class::Class;

use super::census::all;
use super::find::Container;
use super::remove::remove_found;
use crate::error::{Doing, Result};
use crate::paths::Engine;
use crate::request::view::PrunedContainers;
use crate::request::{PruneRequest, RemoveRequest};

/// Removes what does not run and matches; a container that is started meanwhile stays.
pub fn prune(engine: &Engine, request: &PruneRequest) -> Result<PrunedContainers> {
    let is_meant = |container: &Container| {
        !container.is_running() && request.means(&container.record.labels, container.record.created)
    };
    let mut pruned = PrunedContainers::default();
    for container in all(engine)?.into_iter().filter(is_meant) {
        let id = container.record.id.clone();
        let bytes = super::list::size(engine, &id).ok().flatten().map_or(0, |size| size.writable);
        let removal = RemoveRequest { containers: vec![id.clone()], force: false, volumes: false };
        match remove_found(engine, container, &id, &removal) {
            Ok(()) => {
                pruned.bytes += bytes;
                pruned.ids.push(id);
            }
            Err(error) if matches!(error.class(), Class::Conflict | Class::NotFound) => {}
            Err(error) => return Err(error).doing(|| format!("cannot remove container `{id}`")),
        }
    }
    Ok(pruned)
}
