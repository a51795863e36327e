//! What the firewall table holds: a value for each network, endpoint and published port.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Cidr, Mac};

/// One thing that the table knows; added and removed as elements of sets and maps, never as rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rule {
    Bridge(BridgeRules),
    Endpoint(EndpointRules),
    Port(PortRule),
}

/// A bridge whose traffic is ours: nothing reaches it unasked, what leaves it is masqueraded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeRules {
    pub bridge: String,
    /// Nothing leaves it and nothing comes in.
    pub internal: bool,
    /// Whether containers of the network reach each other (`com.docker.network.bridge.enable_icc`).
    pub between: bool,
    /// Whether what leaves it gets the host's address (`com.docker.network.bridge.enable_ip_masquerade`).
    pub masquerade: bool,
    /// The networks on it; the gateways are the addresses.
    pub subnets: Vec<Cidr>,
}

/// One port of a bridge and the only addresses it may speak as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointRules {
    /// The host's end of the pair.
    pub interface: String,
    pub mac: Mac,
    pub addresses: Vec<IpAddr>,
}

/// A published port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRule {
    pub protocol: Protocol,
    /// Address and port on the host; the unspecified address stands for all of its family.
    pub host: SocketAddr,
    /// Address and port of the container.
    pub container: SocketAddr,
    /// Its connections end at the host, whose own rules decide about them, and the supervisor passes their bytes on.
    #[serde(default)]
    pub through_host: bool,
}

impl PortRule {
    /// A port that the firewall leads where it can.
    pub fn new(protocol: Protocol, host: SocketAddr, container: SocketAddr) -> Self {
        Self { protocol, host, container, through_host: false }
    }

    /// Whether the firewall leads its packets, which it does within a family and not through the host. Otherwise the
    /// supervisor passes bytes on.
    pub fn is_led(&self) -> bool {
        !self.through_host && self.host.is_ipv4() == self.container.is_ipv4()
    }

    /// Whether a socket has to take its connections: what comes to `::1` the firewall cannot lead either.
    pub fn is_listened_for(&self) -> bool {
        self.through_host || self.host.is_ipv6()
    }

    /// Returns those that the firewall leads.
    pub fn led(ports: &[Self]) -> Vec<Self> {
        ports.iter().filter(|port| port.is_led()).copied().collect()
    }
}

/// A protocol with ports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
}

impl Protocol {
    /// Returns the number of IANA's registry.
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

impl FromStr for Protocol {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            _ => Err(()),
        }
    }
}
