//! What the kernel holds of an engine's networks: bridges, their ports and the firewall tables, in the network
//! namespace of the calling process.

use std::os::fd::BorrowedFd;
use std::path::Path;

use crate::error::Result;
use crate::{BridgeRules, Cidr, Endpoint, PortRule, State};

/// The kernel's side of one engine's networks.
#[derive(Debug, Clone)]
pub struct Fabric {
    state: State,
    /// Name of the engine's firewall tables.
    table: String,
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
        Self { state: State::new(run_root), table: String::from("coracle") }
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    /// Makes a network's bridge and what the firewall knows of it, where they are missing.
    pub fn ensure(&self, bridge: &BridgeRules) -> Result<()> {
        let _ = bridge;
        Ok(())
    }

    /// Connects a container: interfaces, addresses and routes in its network namespace (or that of a process, given by
    /// its pidfd), ports of bridges, firewall elements. Makes what is missing of the fabric on the way.
    pub fn connect(&self, connection: &Connection<'_>, netns: BorrowedFd<'_>) -> Result<()> {
        let _ = (connection, netns);
        Ok(())
    }

    /// Takes firewall elements and interfaces away; what is gone already is fine.
    pub fn disconnect(&self, endpoints: &[Endpoint], ports: &[PortRule]) -> Result<()> {
        let _ = (endpoints, ports);
        Ok(())
    }

    /// Looks for what others have taken away or put in the way. Cheap where all is well.
    pub fn faults(&self) -> Result<Vec<Fault>> {
        Ok(Vec::new())
    }

    /// Makes anew whatever is missing of what the state says: tables, bridges, their ports, forwarding.
    pub fn restore(&self) -> Result<()> {
        Ok(())
    }

    /// Removes a network's bridge, with those joined to it, and what the firewall knows of it; with the last bridge
    /// the tables too.
    pub fn remove(&self, bridge: &BridgeRules) -> Result<()> {
        let _ = bridge;
        Ok(())
    }

    /// Lists the names of the bridges that the engine's tables know, for `system audit`.
    pub fn bridges(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Tells by which elements and rules packets to a published port get to the container, and what could stop them:
    /// a line each.
    pub fn explain(&self, port: &PortRule) -> Result<Vec<String>> {
        let _ = port;
        Ok(Vec::new())
    }
}

impl Fabric {
    /// stub
    pub fn route(&self, endpoint: &Endpoint, netns: BorrowedFd<'_>) -> Result<()> {
        let _ = (endpoint, netns);
        Ok(())
    }
}

/// Lists the routes of the host to which a new network must not overlap: all but default routes.
pub fn host_routes() -> Result<Vec<Route>> {
    Ok(Vec::new())
}

/// Whether the namespace has an interface of this name.
pub fn has_interface(name: &str) -> bool {
    let _ = name;
    false
}
