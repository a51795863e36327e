//! `container prune`: forgets the containers that do not run.

use oci::class::Class;

use super::find::{Container, all};
use super::remove::remove_found;
use crate::error::{Doing, Result};
use crate::paths::Engine;
use crate::request::view::PrunedContainers;
use crate::request::{LabelFilter, PruneContainersRequest, RemoveRequest};

/// Removes what does not run and matches; a container that is started meanwhile stays.
pub fn prune(engine: &Engine, request: &PruneContainersRequest) -> Result<PrunedContainers> {
    let mut pruned = PrunedContainers::default();
    for container in all(engine)?.into_iter().filter(|container| is_wanted(container, request)) {
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

fn is_wanted(container: &Container, request: &PruneContainersRequest) -> bool {
    let record = &container.record;
    let has = |label: &LabelFilter| {
        let value = record.labels.get(&label.key);
        value.is_some_and(|value| label.value.as_ref().is_none_or(|wanted| wanted == value))
    };
    !container.is_running()
        && request.labels.iter().all(has)
        && !request.unlike.iter().any(has)
        && request.until.is_none_or(|until| record.created / 1_000_000_000 < until)
}
