//! One container's place in one network: all that is needed to make it, to find it and to make it anew.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{BridgeRules, Cidr, EndpointRules, Mac, Rule};

/// Everything about one interface of a container, decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    pub container_id: String,
    pub network_id: String,
    /// Name of the network.
    pub network: String,
    /// Names that lead to the container: its own first, then aliases and short id; lower case.
    pub names: Vec<String>,
    pub link: Link,
    /// Name of the interface inside.
    pub interface: String,
    pub mac: Mac,
    pub addresses: Vec<Cidr>,
    /// Default routes that go through this interface.
    pub gateways: Vec<IpAddr>,
    pub mtu: Option<u32>,
}

/// How an interface is connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Link {
    /// A pair whose other end is a port of a bridge.
    Bridge { host_interface: String, rules: BridgeRules },
    /// Beside an interface of the host; `None` makes one that leads nowhere.
    Macvlan { parent: String, mode: MacvlanMode },
}

/// How containers on one parent reach each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MacvlanMode {
    #[default]
    Bridge,
    Private,
    Vepa,
    Passthru,
}

impl Endpoint {
    /// Returns what the firewall knows of this endpoint.
    pub fn rule(&self) -> Option<Rule> {
        let Link::Bridge { host_interface, .. } = &self.link else { return None };
        Some(Rule::Endpoint(EndpointRules {
            interface: host_interface.clone(),
            mac: self.mac,
            addresses: self.addresses.iter().map(|cidr| cidr.address).collect(),
        }))
    }

    /// Returns what the firewall knows of this endpoint's bridge.
    pub fn bridge_rules(&self) -> Option<&BridgeRules> {
        match &self.link {
            Link::Bridge { rules, .. } => Some(rules),
            Link::Macvlan { .. } => None,
        }
    }

    /// Returns the addresses as the resolver reads them.
    pub(crate) fn answers(&self) -> String {
        let addresses: Vec<String> = self.addresses.iter().map(|cidr| cidr.address.to_string()).collect();
        addresses.join(" ")
    }
}

/// What names of host ends begin with.
pub(crate) const HOST_END: &str = "crc";

/// Returns the name of the host's end of a container's pair on a network: 14 bytes of at most 15. The prefix is not
/// that of bridges, by which firewalls let through.
pub fn host_interface(container_id: &str, network_id: &str) -> String {
    let hash = crate::hash::fnv(container_id.bytes().chain(network_id.bytes()));
    format!("{HOST_END}{:011x}", hash & 0xfff_ffff_ffff)
}
