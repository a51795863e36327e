//! What networks keep in the run root: claims of addresses, names and ports, and an endpoint for each container.
//!
//! ```text
//!   RUN_ROOT/
//!     networks/.lock                               held shared while elements are added to the firewall, and
//!                                                  exclusive while its tables are made anew
//!     networks/.bridges/NAME                       what is to be of a bridge, with or without containers on it
//!     networks/NETWORK_ID/
//!       addresses/IP -> CONTAINER_ID               claims
//!       names/NAME/CONTAINER_ID -> "10.0.0.2 …"    who answers to a name, and where
//!       endpoints/CONTAINER_ID                     all of one container's place in the network
//!       next4, next6                               where the last address was given: a hint
//!       bridge                                     which of several joined bridges had room last: a hint
//!     ports/PROTOCOL-ADDRESS-PORT -> CONTAINER_ID  claims
//!     containers/ID/networks/NETWORK_ID -> "names" or "plain", and "internal" behind it
//!     containers/ID/ports                          the published ports of a container that runs
//!     containers/ID/shared                         others have joined its network namespace
//! ```
//!
//! The marker below the container is written first and removed last: whatever a kill leaves is found by it.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode};
use rustix::io::Errno;
use store::Durability;
use sys::{Context, Dir};

use crate::BridgeRules;
use crate::endpoint::{Endpoint, host_interface};
use crate::error::{Error, Result};

/// Directory of bridges among those of networks.
const BRIDGES: &str = ".bridges";

/// The run root, seen as networks.
#[derive(Debug, Clone)]
pub struct State {
    run_root: PathBuf,
}

/// What the resolver of a container knows of a network that the container is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// Whether names of the network are answered.
    pub names: bool,
    /// Whether the network leads nowhere else; with such ones alone no question leaves the container (CVE-2024-29018).
    pub internal: bool,
}

impl Marker {
    fn text(self) -> &'static str {
        match (self.names, self.internal) {
            (true, false) => "names",
            (false, false) => "plain",
            (true, true) => "names internal",
            (false, true) => "plain internal",
        }
    }
}

impl State {
    pub fn new(run_root: &Path) -> Self {
        Self { run_root: run_root.to_owned() }
    }

    pub(crate) fn run_root(&self) -> &Path {
        &self.run_root
    }

    /// Returns the directory of one network.
    pub fn network(&self, network_id: &str) -> PathBuf {
        self.run_root.join("networks").join(network_id)
    }

    pub(crate) fn ports(&self) -> PathBuf {
        self.run_root.join("ports")
    }

    /// Returns the directory that tells which networks a container is on.
    pub fn markers(&self, container_id: &str) -> PathBuf {
        self.run_root.join("containers").join(container_id).join("networks")
    }

    /// Writes an endpoint down: marker, endpoint, names. Its addresses were claimed before.
    pub fn publish(&self, endpoint: &Endpoint) -> Result<()> {
        let network = self.network(&endpoint.network_id);
        let directory = ensure(&network.join("endpoints"))?;
        let bytes = serde_json::to_vec(endpoint)
            .map_err(|error| sys::Error::new("cannot write down an endpoint", io::Error::other(error)))?;
        store::write_atomic(&directory, &endpoint.container_id, &bytes, Durability::Volatile)?;
        for name in &endpoint.names {
            claim_shared(&network.join("names").join(name), &endpoint.container_id, &endpoint.answers())?;
        }
        Ok(())
    }

    /// Says that a container is going to be on a network; before anything of it is claimed.
    pub fn mark(&self, container_id: &str, network_id: &str, marker: Marker) -> Result<()> {
        let markers = ensure(&self.markers(container_id))?;
        let text = marker.text();
        let _ = rustix::fs::unlinkat(&markers, network_id, AtFlags::empty());
        rustix::fs::symlinkat(text, &markers, network_id)
            .context(|| format!("cannot mark container `{container_id}`"))?;
        Ok(())
    }

    /// Reads one endpoint.
    pub fn endpoint(&self, network_id: &str, container_id: &str) -> Result<Option<Endpoint>> {
        let directory = match Dir::open(self.network(network_id).join("endpoints")) {
            Err(error) if error.is_not_found() => return Ok(None),
            other => other?,
        };
        match store::read(&directory, container_id) {
            // One that cannot be read is as good as none: its claims are found without it.
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads all endpoints of a network.
    pub fn endpoints(&self, network_id: &str) -> Result<Vec<Endpoint>> {
        let mut endpoints = Vec::new();
        for container_id in self.members(network_id)? {
            endpoints.extend(self.endpoint(network_id, &container_id)?);
        }
        endpoints.sort_by(|a, b| a.container_id.cmp(&b.container_id));
        Ok(endpoints)
    }

    /// Lists the ids of all networks that have state.
    pub fn networks(&self) -> Result<Vec<String>> {
        let mut networks = list(&self.run_root.join("networks"))?;
        networks.retain(|name| !name.starts_with('.'));
        Ok(networks)
    }

    /// Opens the directory of all networks.
    pub(crate) fn directory(&self) -> Result<Dir> {
        ensure(&self.run_root.join("networks"))
    }

    /// Writes down what a bridge is to be.
    pub(crate) fn publish_bridge(&self, rules: &BridgeRules) -> Result<()> {
        let directory = ensure(&self.run_root.join("networks").join(BRIDGES))?;
        let bytes = serde_json::to_vec(rules)
            .map_err(|error| sys::Error::new("cannot write down a bridge", io::Error::other(error)))?;
        if store::read(&directory, &rules.bridge).is_ok_and(|old| old == bytes) {
            return Ok(());
        }
        Ok(store::write_atomic(&directory, &rules.bridge, &bytes, Durability::Volatile)?)
    }

    /// Reads what all bridges are to be.
    pub(crate) fn bridges(&self) -> Result<Vec<BridgeRules>> {
        let directory = self.run_root.join("networks").join(BRIDGES);
        let names = list(&directory)?;
        let mut bridges = Vec::with_capacity(names.len());
        for name in names {
            // One that is being removed is none.
            let bytes = store::read(Dir::open(&directory)?, &name).unwrap_or_default();
            bridges.extend(serde_json::from_slice::<BridgeRules>(&bytes));
        }
        Ok(bridges)
    }

    /// Whether it is written down what a bridge is to be.
    pub(crate) fn knows_bridge(&self, name: &str) -> bool {
        sys::fs::exists(self.run_root.join("networks").join(BRIDGES).join(name))
    }

    pub(crate) fn forget_bridge(&self, name: &str) -> Result<()> {
        remove(&self.run_root.join("networks").join(BRIDGES).join(name))
    }

    /// Lists the ids of the containers that have an endpoint in a network.
    pub(crate) fn members(&self, network_id: &str) -> Result<Vec<String>> {
        list(&self.network(network_id).join("endpoints"))
    }

    /// Finds the endpoint of a host end.
    pub(crate) fn endpoint_of(&self, host_end: &str) -> Result<Option<Endpoint>> {
        for network_id in self.networks()? {
            for container_id in self.members(&network_id)? {
                if host_interface(&container_id, &network_id) == host_end {
                    return self.endpoint(&network_id, &container_id);
                }
            }
        }
        Ok(None)
    }

    /// Lists the ids of all containers that have an endpoint.
    pub(crate) fn containers(&self) -> Result<Vec<String>> {
        let mut containers = Vec::new();
        for network_id in self.networks()? {
            containers.extend(self.members(&network_id)?);
        }
        containers.sort();
        containers.dedup();
        Ok(containers)
    }

    /// Counts the addresses that are claimed in all networks.
    pub(crate) fn addresses(&self) -> Result<usize> {
        let mut count = 0;
        for network_id in self.networks()? {
            count += list(&self.network(&network_id).join("addresses"))?.len();
        }
        Ok(count)
    }

    /// Lists the ids of the networks that a container is on.
    pub fn networks_of(&self, container_id: &str) -> Result<Vec<String>> {
        list(&self.markers(container_id))
    }

    /// Reads all endpoints of a container, the first interface first.
    pub fn endpoints_of(&self, container_id: &str) -> Result<Vec<Endpoint>> {
        let mut endpoints = Vec::new();
        for network_id in self.networks_of(container_id)? {
            endpoints.extend(self.endpoint(&network_id, container_id)?);
        }
        endpoints.sort_by(|a, b| (a.interface.len(), &a.interface).cmp(&(b.interface.len(), &b.interface)));
        Ok(endpoints)
    }

    /// Takes back all that a container holds of one network; what is gone is fine.
    pub fn release(&self, network_id: &str, container_id: &str) -> Result<()> {
        self.release_claims_of(network_id, container_id)?;
        remove(&self.network(network_id).join("endpoints").join(container_id))?;
        remove(&self.markers(container_id).join(network_id))
    }

    /// Takes back all that a container that has ended holds of its networks; what the firewall knows of it is swept
    /// out later ([`Fabric::sweep`](crate::Fabric::sweep)).
    pub fn retire(&self, container_id: &str) -> Result<()> {
        for network_id in self.networks_of(container_id)? {
            self.release_claims_of(&network_id, container_id)?;
            self.set_aside(&network_id, container_id)?;
            remove(&self.markers(container_id).join(&network_id))?;
        }
        self.release_all(container_id)
    }

    fn release_claims_of(&self, network_id: &str, container_id: &str) -> Result<()> {
        let network = self.network(network_id);
        let endpoint = self.endpoint(network_id, container_id)?;
        let known = endpoint.as_ref().map(|endpoint| endpoint.names.clone());
        for name in known.map_or_else(|| list(&network.join("names")), Ok)? {
            release_shared(&network.join("names").join(name), container_id)?;
        }
        match &endpoint {
            Some(endpoint) => {
                if let Ok(directory) = Dir::open(network.join("addresses")) {
                    for address in &endpoint.addresses {
                        store::release(
                            &directory,
                            &address.address.to_string(),
                            container_id,
                            Durability::Volatile,
                        )?;
                    }
                }
            }
            // Killed between the claim and the endpoint: look at all.
            None => self.release_claims(&network.join("addresses"), container_id)?,
        }
        Ok(())
    }

    /// Says that a container is going to claim ports; before it does.
    pub fn expect_ports(&self, container_id: &str) -> Result<()> {
        self.publish_ports(container_id, &[])
    }

    /// Writes down the published ports of a container, which it has claimed before.
    pub fn publish_ports(&self, container_id: &str, ports: &[crate::PortRule]) -> Result<()> {
        let directory = ensure(&self.run_root.join("containers").join(container_id))?;
        let bytes = serde_json::to_vec(ports)
            .map_err(|error| sys::Error::new("cannot write down ports", io::Error::other(error)))?;
        Ok(store::write_atomic(&directory, "ports", &bytes, Durability::Volatile)?)
    }

    /// Reads the published ports of a container; none where it does not run.
    pub fn ports_of(&self, container_id: &str) -> Result<Vec<crate::PortRule>> {
        Ok(self.expected_ports(container_id)?.unwrap_or_default())
    }

    /// Reads the published ports of a container; nothing where it never claimed any.
    fn expected_ports(&self, container_id: &str) -> Result<Option<Vec<crate::PortRule>>> {
        let directory = match Dir::open(self.run_root.join("containers").join(container_id)) {
            Err(error) if error.is_not_found() => return Ok(None),
            other => other?,
        };
        match store::read(&directory, "ports") {
            // As with endpoints, the claims are found without it.
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).unwrap_or_default())),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Notes that somebody else lives in the network namespace of a container too: it may outlive the container.
    pub fn share(&self, container_id: &str) -> Result<()> {
        let directory = ensure(&self.run_root.join("containers").join(container_id))?;
        Ok(store::write_atomic(&directory, "shared", b"", Durability::Volatile)?)
    }

    /// Whether somebody else has joined the network namespace of a container.
    pub fn is_shared(&self, container_id: &str) -> bool {
        sys::fs::exists(self.run_root.join("containers").join(container_id).join("shared"))
    }

    /// Takes back all ports of a container.
    pub fn release_ports(&self, container_id: &str, ports: &[crate::PortRule]) -> Result<()> {
        if ports.is_empty() {
            return Ok(());
        }
        let Ok(directory) = Dir::open(self.ports()) else { return Ok(()) };
        for port in ports {
            store::release(&directory, &crate::ports::claim_name(port), container_id, Durability::Volatile)?;
        }
        Ok(())
    }

    /// Takes back every claim of a container, however it came to be: after a kill, or for `system audit --repair`.
    pub fn release_all(&self, container_id: &str) -> Result<()> {
        for network_id in self.networks_of(container_id)? {
            self.release(&network_id, container_id)?;
        }
        match self.expected_ports(container_id)? {
            None => {}
            // Killed between the claims and the list: look at all.
            Some(ports) if ports.is_empty() => self.release_claims(&self.ports(), container_id)?,
            Some(ports) => self.release_ports(container_id, &ports)?,
        }
        for name in ["ports", "shared"] {
            remove(&self.run_root.join("containers").join(container_id).join(name))?;
        }
        match rustix::fs::rmdir(self.markers(container_id)) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(sys::Error::new("cannot remove the markers of networks", errno).into()),
        }
    }

    /// Takes back what a container holds of networks that it was never marked to be on, for `system audit --repair`.
    pub fn release_strays(&self, container_id: &str) -> Result<()> {
        for network_id in self.networks()? {
            self.release(&network_id, container_id)?;
        }
        self.release_claims(&self.ports(), container_id)
    }

    fn release_claims(&self, directory: &Path, owner: &str) -> Result<()> {
        let Ok(directory) = Dir::open(directory) else { return Ok(()) };
        for claim in store::claims(&directory)? {
            if claim.owner == owner {
                store::release(&directory, &claim.name, owner, Durability::Volatile)?;
            }
        }
        Ok(())
    }

    /// Lists everything that is held, as (what, owner), for `system audit`.
    pub fn held(&self) -> Result<Vec<(String, String)>> {
        let mut held = Vec::new();
        for claim in claims_in(&self.ports())? {
            held.push((format!("port {}", claim.name), claim.owner));
        }
        for network_id in self.networks()? {
            let network = self.network(&network_id);
            for claim in claims_in(&network.join("addresses"))? {
                held.push((format!("address {} of network {}", claim.name, short(&network_id)), claim.owner));
            }
            for owner in list(&network.join("endpoints"))? {
                held.push((format!("endpoint of network {}", short(&network_id)), owner));
            }
            for name in list(&network.join("names"))? {
                for owner in list(&network.join("names").join(&name))? {
                    held.push((format!("name {name} of network {}", short(&network_id)), owner));
                }
            }
        }
        Ok(held)
    }
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

fn claims_in(directory: &Path) -> Result<Vec<store::Claim>> {
    match Dir::open(directory) {
        Ok(directory) => Ok(store::claims(&directory)?),
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Opens a directory, making it and those above where they are missing.
pub(crate) fn ensure(path: &Path) -> Result<Dir> {
    match Dir::open(path) {
        Err(error) if error.is_not_found() => {
            sys::fs::create_dir_all(path)?;
            Ok(Dir::open(path)?)
        }
        other => Ok(other?),
    }
}

pub(crate) fn list(path: &Path) -> Result<Vec<String>> {
    let entries = match Dir::open(path) {
        Ok(directory) => directory.list(".")?,
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut names: Vec<String> =
        entries.into_iter().filter_map(|entry| entry.name.into_string().ok()).collect();
    // Files under way of an atomic replacement are nobody's.
    names.retain(|name| !name.starts_with(store::TEMPORARY_PREFIX));
    names.sort();
    Ok(names)
}

/// Adds an owner to those of a name: a directory with one entry an owner.
fn claim_shared(directory: &Path, owner: &str, text: &str) -> Result<()> {
    for _ in 0..16 {
        match rustix::fs::mkdir(directory, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(Errno::NOENT) => {
                let parent = directory.parent().unwrap_or(directory);
                sys::fs::create_dir_all(parent)?;
                continue;
            }
            Err(errno) => {
                return Err(sys::Error::new(format!("cannot create `{}`", directory.display()), errno).into());
            }
        }
        match rustix::fs::symlink(text, directory.join(owner)) {
            Ok(()) => return Ok(()),
            Err(Errno::EXIST) => remove(&directory.join(owner))?,
            // The last owner went, and took the directory along.
            Err(Errno::NOENT) => {}
            Err(errno) => {
                return Err(sys::Error::new(format!("cannot claim `{}`", directory.display()), errno).into());
            }
        }
    }
    Err(Error::Contended(directory.display().to_string()))
}

fn release_shared(directory: &Path, owner: &str) -> Result<()> {
    remove(&directory.join(owner))?;
    match rustix::fs::rmdir(directory) {
        Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY) => Ok(()),
        Err(errno) => Err(sys::Error::new(format!("cannot remove `{}`", directory.display()), errno).into()),
    }
}

pub(crate) fn remove(path: &Path) -> Result<()> {
    match rustix::fs::unlink(path) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(sys::Error::new(format!("cannot remove `{}`", path.display()), errno).into()),
    }
}
