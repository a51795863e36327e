//! What the firewall still knows of containers that have ended, swept out many at a time.
//!
//! A removal makes the kernel wait for its readers before the memory goes, and whoever closes a socket of nf_tables
//! meanwhile waits with it and keeps every other transaction out: 8 ms an end, one after the other. So an end without
//! published ports only moves its endpoint aside; whoever finds enough of them, or needs one of their places, removes
//! them by one transaction.
//!
//! Until then a host end that is gone may still speak as who it was: nobody has its name but a later run of the same
//! container, which sweeps first.
//!
//! ```text
//!   RUN_ROOT/networks/.retired/CONTAINER_ID.NETWORK_ID     the endpoint, as it was
//!                             /.lock                       held by who sweeps
//! ```

use std::collections::HashSet;
use std::path::PathBuf;

use rustix::fs::{CWD, renameat};
use rustix::io::Errno;
use store::Lock;

use crate::Endpoint;
use crate::error::Result;
use crate::fabric::Fabric;
use crate::nft::Element;
use crate::state::{State, ensure, list, remove};

const LOCK: &str = ".lock";

impl State {
    fn retired(&self) -> PathBuf {
        self.run_root().join("networks").join(".retired")
    }

    /// Moves an endpoint aside.
    pub(crate) fn set_aside(&self, network_id: &str, container_id: &str) -> Result<()> {
        let from = self.network(network_id).join("endpoints").join(container_id);
        let to = self.retired().join(place(network_id, container_id));
        match renameat(CWD, &from, CWD, &to) {
            Err(Errno::NOENT) if sys::fs::exists(&from) => {
                ensure(&self.retired())?;
                match renameat(CWD, &from, CWD, &to) {
                    Ok(()) | Err(Errno::NOENT) => Ok(()),
                    Err(errno) => Err(sys::Error::new("cannot move an endpoint aside", errno).into()),
                }
            }
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(sys::Error::new("cannot move an endpoint aside", errno).into()),
        }
    }

    /// Whether the firewall may still know an earlier run of a container as somebody else.
    fn is_retired(&self, endpoint: &Endpoint) -> bool {
        sys::fs::exists(self.retired().join(place(&endpoint.network_id, &endpoint.container_id)))
    }
}

fn place(network_id: &str, container_id: &str) -> String {
    format!("{container_id}.{network_id}")
}

/// Removes what the firewall knows of containers that have ended, if there are so many of them and nobody else does.
pub(crate) fn sweep(fabric: &Fabric, at_least: usize) -> Result<()> {
    let state = fabric.state();
    let mut names = list(&state.retired())?;
    names.retain(|name| !name.starts_with('.'));
    if names.len() < at_least.max(1) {
        return Ok(());
    }
    let Some(_lock) = Lock::try_exclusive(ensure(&state.retired())?, LOCK)? else { return Ok(()) };
    sweep_these(fabric, &names)
}

/// Sweeps before containers run again whose earlier run the firewall may still know.
pub(crate) fn make_way(fabric: &Fabric, endpoints: &[Endpoint]) -> Result<()> {
    let state = fabric.state();
    let in_the_way = endpoints.iter().filter(|endpoint| state.is_retired(endpoint));
    let names: Vec<String> =
        in_the_way.map(|endpoint| place(&endpoint.network_id, &endpoint.container_id)).collect();
    if names.is_empty() {
        return Ok(());
    }
    // Whoever sweeps now may not have come to these.
    let _lock = Lock::exclusive(ensure(&state.retired())?, LOCK)?;
    sweep_these(fabric, &names)
}

fn sweep_these(fabric: &Fabric, names: &[String]) -> Result<()> {
    let state = fabric.state();
    let directory = ensure(&state.retired())?;
    let mut gone: HashSet<Element> = HashSet::new();
    let mut living: HashSet<Element> = HashSet::new();
    for name in names {
        let Ok(bytes) = store::read(&directory, name) else { continue };
        let Ok(endpoint) = serde_json::from_slice::<Endpoint>(&bytes) else { continue };
        gone.extend(crate::connect::own_elements(&endpoint));
        // It runs again.
        if let Some(now) = state.endpoint(&endpoint.network_id, &endpoint.container_id)? {
            living.extend(crate::connect::own_elements(&now));
        }
    }
    let elements: Vec<Element> = gone.difference(&living).cloned().collect();
    if !elements.is_empty() {
        fabric.firewall()?.remove(elements)?;
    }
    names.iter().try_for_each(|name| remove(&state.retired().join(name)))
}
