//! What verbs have to do with the restart policy: somebody's wish for the end is written down, and one that waits to be
//! started again is talked out of it.

use store::Durability;
use supervisor::{Client, STOPPED};
use sys::Dir;

use super::find::Container;
use super::record::ContainerRecord;
use super::wait::until_cleared;
use crate::error::Result;
use crate::paths::Engine;
use crate::request::RestartPolicy;

/// Writes down that somebody has asked for the end of a container: before it is signalled, and so that a power cut does not
/// make it unasked.
pub(super) fn note_stop(engine: &Engine, record: &ContainerRecord) -> Result<()> {
    let noted = Dir::open(engine.container_dir(&record.id))
        .map_err(store::Error::from)
        .and_then(|directory| store::write_atomic(&directory, STOPPED, b"", durability(record)));
    match noted {
        // Removed at its end just now, or nothing that would start it again: a full disk keeps nothing from being stopped.
        Err(error) if error.is_not_found() || record.request.restart == RestartPolicy::No => Ok(()),
        other => Ok(other?),
    }
}

/// Writes down that somebody has started a container.
pub(super) fn note_start(engine: &Engine, record: &ContainerRecord) -> Result<()> {
    store::remove(Dir::open(engine.container_dir(&record.id))?, STOPPED, durability(record))?;
    Ok(())
}

/// Whether somebody has asked for the end of a container since it was started.
pub(crate) fn was_stopped(engine: &Engine, record: &ContainerRecord) -> bool {
    sys::fs::exists(engine.container_dir(&record.id).join(STOPPED))
}

/// Without a policy the note matters only should it get one later.
fn durability(record: &ContainerRecord) -> Durability {
    match record.request.restart {
        RestartPolicy::No => Durability::Volatile,
        _ => Durability::Synced,
    }
}

/// Has a container that waits to be started again stay as it is. Returns what became of it, which may be that it runs; `None`
/// where it has gone.
pub(super) fn give_up(engine: &Engine, container: Container) -> Result<Option<Container>> {
    let mut container = container;
    while container.is_restarting() {
        note_stop(engine, &container.record)?;
        if let Ok(client) = Client::connect(&container.run_dir)
            && client.give_up().is_ok()
        {
            until_cleared(client);
        } else {
            // Its supervisor is about to change.
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        match Container::load(engine, &container.record.id)? {
            Some(now) => container = now,
            None => return Ok(None),
        }
    }
    Ok(Some(container))
}
