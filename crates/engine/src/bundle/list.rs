//! `state` and `list`: what containers there are and how they do.

use super::home::Runtime;
use super::record::StateView;
use crate::error::Result;

/// Returns the state of a container.
pub fn state(runtime: &Runtime, id: &str) -> Result<StateView> {
    runtime.find(id)?.view()
}

/// Returns the states of all containers, by id; one that vanishes meanwhile is left out.
pub fn list(runtime: &Runtime) -> Result<Vec<StateView>> {
    let mut views = Vec::new();
    for id in runtime.ids()? {
        if let Some(container) = runtime.load(&id)? {
            views.push(container.view()?);
        }
    }
    Ok(views)
}
