//! What the kernel holds of an engine's networks: bridges, their ports and the firewall tables, in the network
//! namespace of the calling process.

use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;
use sys::netlink::Subject;

use crate::error::Result;
use crate::firewall::Firewall;
use crate::route::{delete_link, list_links, list_routes};
use crate::socket::{Kept, Socket};
use crate::wire::Batch;
use crate::{BridgeRules, Cidr, Endpoint, PortRule, State};
use crate::{bridge, elements, explain, foreign, join, restore};

/// The run root of the engine that names its tables and bridges plainly.
const RUN_ROOT: &str = "/run/coracle";

/// The kernel's side of one engine's networks.
#[derive(Debug, Clone)]
pub struct Fabric {
    state: State,
    /// Name of the engine's firewall tables.
    table: String,
    ports_max: Option<usize>,
    /// For the packet filter of the network namespace in which it was used first.
    kept: Arc<Kept>,
}

/// What one container gets.
#[derive(Debug, Clone, Copy)]
pub struct Connection<'a> {
    /// First interface first.
    pub endpoints: &'a [Endpoint],
    pub ports: &'a [PortRule],
    /// Where the container's resolver listens on 127.0.0.11; port 53 is led there.
    pub resolver_port: Option<u16>,
}

/// A route of the host, without those of the kernel's own tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub destination: Cidr,
    pub interface: String,
}

/// Something that keeps packets from where they should go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// In one line.
    pub what: String,
    pub remedy: Option<String>,
}

impl Fabric {
    /// Opens the fabric of the engine with this run root; engines with different run roots have tables of their own.
    pub fn new(run_root: &Path) -> Self {
        Self {
            state: State::new(run_root),
            table: table_name(run_root),
            ports_max: None,
            kept: Arc::default(),
        }
    }

    /// Takes bridges to be full before the kernel does. For tests: a thousand ports take their time.
    #[doc(hidden)]
    #[must_use]
    pub fn with_ports_max(mut self, ports_max: usize) -> Self {
        self.ports_max = Some(ports_max);
        self
    }

    pub(crate) fn ports_max(&self) -> Option<usize> {
        self.ports_max
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    pub(crate) fn firewall(&self) -> Result<Firewall<'_>> {
        Firewall::open(&self.state, &self.table, &self.kept)
    }

    /// Makes a network's bridge and what the firewall knows of it, where they are missing.
    pub fn ensure(&self, bridge: &BridgeRules) -> Result<()> {
        self.state.publish_bridge(bridge)?;
        let host = Socket::open(Subject::Route)?;
        let firewall = self.firewall()?;
        let joined = join::bridges_of(&host, &bridge.bridge)?;
        firewall.add(elements::of_bridge(bridge, &joined))?;
        bridge::ensure(&host, bridge)?;
        foreign::ensure(&firewall.socket, &self.table)
    }

    /// Connects a container: interfaces, addresses and routes in its network namespace (or that of a process, given by
    /// its pidfd), ports of bridges, firewall elements. Makes what is missing of the fabric on the way. Its endpoints
    /// and ports were written down in the state before.
    pub fn connect(&self, connection: &Connection<'_>, netns: BorrowedFd<'_>) -> Result<()> {
        crate::connect::connect(self, connection, netns)
    }

    /// Makes the default routes of a container that is connected go through this endpoint, as it says.
    pub fn route(&self, endpoint: &Endpoint, netns: BorrowedFd<'_>) -> Result<()> {
        crate::inside::Container::open(netns)?.route(endpoint)
    }

    /// Takes interfaces and firewall elements away; what is gone already is fine. The container may live on.
    ///
    /// To be called before the state forgets them and gives addresses and ports to others. Removing an interface takes
    /// the kernel some 30 ms; where the container's network namespace ends with it, [`Fabric::forget`] does.
    pub fn disconnect(&self, endpoints: &[Endpoint], ports: &[PortRule]) -> Result<()> {
        crate::connect::disconnect(self, endpoints, ports)
    }

    /// Takes firewall elements away, of a container whose last process has ended: interfaces go with its network
    /// namespace, in the kernel's own time.
    pub fn forget(&self, endpoints: &[Endpoint], ports: &[PortRule]) -> Result<()> {
        crate::connect::forget(self, endpoints, ports)
    }

    /// Removes what the firewall still knows of containers that have retired, if there are so many of them.
    pub fn sweep(&self, at_least: usize) -> Result<()> {
        crate::retired::sweep(self, at_least)
    }

    /// Looks for what others have taken away or put in the way. Cheap where all is well.
    pub fn faults(&self) -> Result<Vec<Fault>> {
        restore::faults(self)
    }

    /// Makes anew whatever is missing of what the state says: tables, bridges, their ports, forwarding.
    pub fn restore(&self) -> Result<()> {
        restore::restore(self)
    }

    /// Removes a network's bridge, with those joined to it, and what the firewall knows of it; with the last bridge
    /// the tables too.
    pub fn remove(&self, bridge: &BridgeRules) -> Result<()> {
        let host = Socket::open(Subject::Route)?;
        let joined = join::bridges_of(&host, &bridge.bridge)?;
        self.state.forget_bridge(&bridge.bridge)?;
        let mut batch = Batch::new();
        join::remove_all(&mut batch, &bridge.bridge);
        delete_link(&mut batch, &bridge.bridge);
        let refusals = host.send(batch)?;
        let firewall = self.firewall()?;
        if firewall.remove_bridge(elements::of_bridge(bridge, &joined))? {
            foreign::remove(&firewall.socket)?;
        }
        match refusals.into_iter().find(|refusal| refusal.errno != Errno::NODEV) {
            Some(refusal) => Err(refusal.into()),
            None => Ok(()),
        }
    }

    /// Lists the names of the bridges that the engine's tables know, for `system audit`.
    pub fn bridges(&self) -> Result<Vec<String>> {
        Ok(without_joined(self.firewall()?.bridges()?))
    }

    /// Tells by which elements and rules packets to a published port get to the container, and what could stop them:
    /// a line each.
    pub fn explain(&self, port: &PortRule) -> Result<Vec<String>> {
        explain::explain(self, port)
    }
}

/// Leaves out bridges that are joined to one of the others: they are its network's, and go with it.
fn without_joined(bridges: Vec<String>) -> Vec<String> {
    let is_further = |name: &String| join::names(name).any(|further| further == *name);
    let further: Vec<String> =
        bridges.iter().filter(|name| !is_further(name)).flat_map(|name| join::names(name)).collect();
    bridges.into_iter().filter(|name| !further.contains(name)).collect()
}

/// Lists the routes of the host to which a new network must not overlap: all but default routes.
pub fn host_routes() -> Result<Vec<Route>> {
    let socket = Socket::open(Subject::Route)?;
    let links = list_links(&socket)?;
    let name = |index| links.iter().find(|link| link.index == index).map(|link| link.name.clone());
    let mut routes = Vec::new();
    for route in list_routes(&socket)? {
        let multicast = route.destination.address.is_multicast();
        let link_local = match route.destination.address {
            std::net::IpAddr::V4(_) => false,
            std::net::IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        if route.destination.prefix != 0
            && !multicast
            && !link_local
            && let Some(interface) = name(route.index)
        {
            routes.push(Route { destination: route.destination, interface });
        }
    }
    Ok(routes)
}

/// Whether the namespace has an interface of this name.
pub fn has_interface(name: &str) -> bool {
    Socket::open(Subject::Route).is_ok_and(|socket| matches!(socket.find_index(name), Ok(Some(_))))
}

/// Names the tables of an engine: plain for the usual run root, so that people find them.
fn table_name(run_root: &Path) -> String {
    if run_root == Path::new(RUN_ROOT) {
        return "coracle".into();
    }
    // FNV-1a of 32 bits, which is eight digits.
    let bytes = run_root.as_os_str().as_encoded_bytes();
    let hash =
        bytes.iter().fold(0x811c_9dc5u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    format!("coracle-{hash:08x}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn bridges_that_are_joined_to_another_are_no_others() {
        let listed = |names: &[&str]| super::without_joined(names.iter().map(ToString::to_string).collect());
        assert_eq!(
            listed(&["coracle-1a2b3c4", "coraclea1a2b3c4", "coraclea"]),
            ["coracle-1a2b3c4", "coraclea"]
        );
        assert_eq!(listed(&["coracle0", "coraclea", "mine"]), ["coracle0", "mine"]);
        assert_eq!(listed(&["coraclea1a2b3c4", "coracleb1a2b3c4"]).len(), 2, "the first is gone");
    }

    use super::table_name;

    #[test]
    fn engines_with_other_run_roots_have_other_tables() {
        assert_eq!(table_name(Path::new("/run/coracle")), "coracle");
        assert_eq!(table_name(Path::new("/run/coracle/")), "coracle");
        assert_eq!(table_name(Path::new("/tmp/run")), "coracle-d4b7e8f9");
    }
}
