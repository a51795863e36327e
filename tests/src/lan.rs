//! A throw-away network at home, on which an engine can be looked at from outside.
//!
//! ```text
//!   host .2 ───┐
//!              ├── lan, 198.51.100.0/24 ── .1 router .1 ── 203.0.113.0/24 ── .2 world
//!   neighbour .3 ┘     2001:db8:51::/64                    2001:db8:113::/64
//! ```
//!
//! The router knows these two networks only: a packet from a container that was not given the host's address never
//! gets an answer. The host asks the router for names.

use std::net::{IpAddr, SocketAddr};

use tempfile::TempDir;

use crate::{Namespace, Upstream, eventually};

/// Four machines with IPv4 and IPv6, that go when this does.
#[derive(Debug)]
pub struct Lan {
    pub host: Namespace,
    pub neighbour: Namespace,
    pub router: Namespace,
    pub world: Namespace,
    files: TempDir,
}

/// One of the host's addresses on the network.
pub const HOST: &str = "198.51.100.2";
pub const HOST6: &str = "2001:db8:51::2";
pub const NEIGHBOUR: &str = "198.51.100.3";
pub const NEIGHBOUR6: &str = "2001:db8:51::3";
pub const ROUTER: &str = "198.51.100.1";
pub const ROUTER6: &str = "2001:db8:51::1";
pub const WORLD: &str = "203.0.113.2";
pub const WORLD6: &str = "2001:db8:113::2";

impl Lan {
    /// Makes the four and waits until the host reaches the world both ways.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "makes namespaces, which a default does not")]
    pub fn new() -> Self {
        let [host, neighbour, router, world] = [(); 4].map(|()| Namespace::new());
        for machine in [&host, &neighbour, &router, &world] {
            // A new namespace has the switches of the host's: whether it forwards is not known otherwise.
            machine.set_sysctl("ipv4/ip_forward", "0");
            // Nobody has these addresses yet: nothing to wait for.
            machine.set_sysctl("ipv6/conf/default/accept_dad", "0");
            machine.set_sysctl("ipv6/conf/default/dad_transmits", "0");
        }
        router.set_sysctl("ipv4/ip_forward", "1");
        router.set_sysctl("ipv6/conf/all/forwarding", "1");
        router.ip(&format!(
            "link add lan type bridge\n\
             addr add {ROUTER}/24 dev lan\n\
             addr add {ROUTER6}/64 dev lan nodad\n\
             link add port1 master lan type veth peer name eth0 netns {host}\n\
             link add port2 master lan type veth peer name eth0 netns {neighbour}\n\
             link add wan type veth peer name eth0 netns {world}\n\
             addr add 203.0.113.1/24 dev wan\n\
             addr add 2001:db8:113::1/64 dev wan nodad\n\
             link set lan up\nlink set port1 up\nlink set port2 up\nlink set wan up\n",
            host = host.path(),
            neighbour = neighbour.path(),
            world = world.path(),
        ));
        attach(&host, HOST, HOST6, ROUTER, ROUTER6);
        attach(&neighbour, NEIGHBOUR, NEIGHBOUR6, ROUTER, ROUTER6);
        attach(&world, WORLD, WORLD6, "203.0.113.1", "2001:db8:113::1");
        let files = tempfile::Builder::new().prefix("crl-").tempdir_in("/tmp").unwrap();
        let lan = Self { host, neighbour, router, world, files }.asking(&[ROUTER]);
        for address in [WORLD, WORLD6] {
            eventually("the host reaches the world", || lan.host.is_answered(at(address, 9)));
        }
        lan
    }

    /// Gives the host an `/etc/resolv.conf` that names these servers.
    #[track_caller]
    pub fn asking(self, servers: &[&str]) -> Self {
        let text: String = servers.iter().map(|server| format!("nameserver {server}\n")).collect();
        self.with_resolv_conf(&text)
    }

    /// Gives the host this `/etc/resolv.conf`.
    #[track_caller]
    pub fn with_resolv_conf(self, text: &str) -> Self {
        let file = self.files.path().join("resolv.conf");
        // Another file: what was there may be mounted already.
        let _ = std::fs::remove_file(&file);
        std::fs::write(&file, text).unwrap();
        Self { host: self.host.with_resolv_conf(&file), ..self }
    }

    /// Starts a server of names on the router, which the host asks.
    #[track_caller]
    pub fn names(&self, zone: &[(&str, &str)]) -> Upstream {
        Upstream::start(&self.router, &[ROUTER, ROUTER6], zone)
    }
}

fn attach(machine: &Namespace, address: &str, address6: &str, gateway: &str, gateway6: &str) {
    machine.ip(&format!(
        "addr add {address}/24 dev eth0\n\
         addr add {address6}/64 dev eth0 nodad\n\
         link set eth0 up\n\
         route add default via {gateway}\n\
         route add default via {gateway6}\n"
    ));
}

/// Joins address and port of either family.
#[track_caller]
pub fn at(address: &str, port: u16) -> SocketAddr {
    let address: IpAddr = address.parse().unwrap_or_else(|_| panic!("`{address}` is no address"));
    SocketAddr::new(address, port)
}
