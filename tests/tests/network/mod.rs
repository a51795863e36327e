//! Networks, looked at from a host, a neighbour on its network and the world: one file an area.

mod addresses;
mod beside;
mod files;
mod isolation;
mod leases;
mod many;
mod mending;
mod names;
mod ports;
mod verbs;

use std::net::SocketAddr;

use tests::{Engine, Lan, Namespace, at};

/// An engine on the host of a LAN.
pub(crate) struct Site {
    // Dropped first: its containers go while their network is still there.
    pub(crate) engine: Engine,
    pub(crate) lan: Lan,
    pub(crate) image: String,
}

impl Site {
    #[track_caller]
    pub(crate) fn new() -> Self {
        Self::on(Lan::new())
    }

    #[track_caller]
    pub(crate) fn on(lan: Lan) -> Self {
        let engine = Engine::within(&lan.host);
        let image = engine.image("busybox");
        Self { engine, lan, image }
    }

    /// Makes a network; returns its id.
    #[track_caller]
    pub(crate) fn network(&self, name: &str, flags: &[&str]) -> String {
        let created = self.engine.run(&[&["network", "create"], flags, &[name]].concat());
        created.ok().text().to_owned()
    }

    /// Runs a container that waits, and returns its network namespace.
    #[track_caller]
    pub(crate) fn run(&self, name: &str, flags: &[&str]) -> Namespace {
        let waits = [self.image.as_str(), "sleep", "1000"];
        self.engine.run(&[&["run", "--detach", "--name", name], flags, &waits].concat()).ok();
        self.engine.inside(name)
    }

    /// Returns where a port of a container is, for those who reach the container itself.
    #[track_caller]
    pub(crate) fn direct(&self, container: &str, network: &str, port: u16) -> SocketAddr {
        at(&self.engine.address(container, network), port)
    }

    #[track_caller]
    pub(crate) fn direct6(&self, container: &str, network: &str, port: u16) -> SocketAddr {
        at(&self.engine.address6(container, network), port)
    }

    /// Returns a part of what `network inspect` tells, by a template.
    #[track_caller]
    pub(crate) fn inspect(&self, network: &str, template: &str) -> String {
        self.engine.run(&["network", "inspect", "--format", template, network]).ok().text().to_owned()
    }

    /// Returns the gateway of a network, of version 4.
    #[track_caller]
    pub(crate) fn gateway(&self, network: &str) -> String {
        self.inspect(network, "{{(index .IPAM.Config 0).Gateway}}")
    }

    /// Returns the bridge of a network.
    #[track_caller]
    pub(crate) fn bridge(&self, network: &str) -> String {
        self.inspect(network, "{{.Interface}}")
    }
}
