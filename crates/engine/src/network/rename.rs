//! What a container's networks know of its new name: at once, where it runs.

use network::{Endpoint, State};

use super::{place, shelf};
use crate::container::{ContainerRecord, RunningContainer};
use crate::error::Result;
use crate::paths::Engine;

/// Lets the networks of a running container, whose record bears its new name already, answer to that name instead of
/// the old one.
pub(crate) fn rename(
    engine: &Engine,
    record: &ContainerRecord,
    old: &str,
    running: &RunningContainer,
) -> Result<()> {
    let state = State::new(engine.run_root());
    let asked = shelf::asked(&record.request.namespaces.network);
    let _shared = shelf::shared(engine)?;
    for endpoint in state.endpoints_of(&record.id)? {
        let is_of = |name: &str| shelf::find(engine, name).is_ok_and(|other| other.id == endpoint.network_id);
        let Some(asked) = asked.iter().find(|asked| is_of(&asked.network)) else { continue };
        let names = place::names(record, asked);
        let gone = endpoint.names.iter().find(|name| **name == old.to_ascii_lowercase());
        // Both for a moment: a kill leaves no name that the endpoint does not tell of.
        let both = names.iter().chain(gone.filter(|name| !names.contains(name))).cloned().collect();
        state.publish(&Endpoint { names: both, ..endpoint.clone() })?;
        if let Some(gone) = gone.filter(|name| !names.contains(name)) {
            let directory = state.network(&endpoint.network_id).join("names").join(gone);
            let _ = rustix::fs::unlink(directory.join(&record.id));
            // Others may bear it too.
            let _ = rustix::fs::rmdir(directory);
        }
        state.publish(&Endpoint { names, ..endpoint.clone() })?;
        // One that has ended meanwhile has given its places back already.
        if !running.is_alive() {
            state.release(&endpoint.network_id, &record.id)?;
        }
    }
    Ok(())
}
