//! Requests about networks, and how a container takes part in them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use network::{Cidr, Mac, Protocol};
use serde::{Deserialize, Serialize};

use super::LabelFilter;

/// Name of the default network, as users of Docker know it.
pub const DEFAULT_NETWORK: &str = "bridge";

/// A container's place in one network, as asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointRequest {
    /// Name or id of the network, as typed.
    pub network: String,
    /// Further names under which others of the network find the container.
    pub aliases: Vec<String>,
    pub ipv4: Option<Ipv4Addr>,
    pub ipv6: Option<Ipv6Addr>,
    pub mac: Option<Mac>,
}

/// Asks to publish ports: `-p [IP:][HOST:]CONTAINER[/PROTOCOL]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishRequest {
    /// Absent: all addresses of the host, of both families.
    pub host_ip: Option<IpAddr>,
    /// Absent: a free port each.
    pub host: Option<PortRange>,
    pub container: PortRange,
    pub protocol: Protocol,
}

/// Ports from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortRange {
    pub first: u16,
    pub last: u16,
}

/// Ports that a container says it serves: `--expose`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExposedPorts {
    pub ports: PortRange,
    pub protocol: Protocol,
}

/// Asks for a new network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkCreateRequest {
    pub name: String,
    /// `bridge` or `macvlan`.
    pub driver: String,
    pub internal: bool,
    pub ipv6: bool,
    /// Absent subnets are chosen by the engine.
    pub subnets: Vec<SubnetRequest>,
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
}

/// One subnet of a new network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetRequest {
    pub subnet: Cidr,
    pub gateway: Option<IpAddr>,
    /// Addresses are given out of this part only.
    pub range: Option<Cidr>,
    /// Addresses that are never given out, with what they are for.
    pub reserved: BTreeMap<String, IpAddr>,
}

/// `network ls`
///
/// Filters of different kinds must all hold, of one kind any; labels must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworksRequest {
    /// Beginnings of ids.
    pub ids: Vec<String>,
    /// Parts or patterns of names.
    pub names: Vec<String>,
    pub drivers: Vec<String>,
    pub scopes: Vec<String>,
    pub labels: Vec<LabelFilter>,
    /// Only those that the engine brings along, or only the user's.
    pub builtin: Option<bool>,
    /// Connected to no container, or to one at least.
    pub dangling: Option<bool>,
}

/// `network rm`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoveNetworksRequest {
    /// Names, ids or beginnings of ids.
    pub networks: Vec<String>,
    /// Do not complain of those that are missing. One in use is never removed.
    pub force: bool,
}

/// `network connect`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectRequest {
    pub container: String,
    pub endpoint: EndpointRequest,
}

/// `network disconnect`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DisconnectRequest {
    pub network: String,
    pub container: String,
    /// Also where the container is gone or damaged.
    pub force: bool,
}

/// `port`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortRequest {
    pub container: String,
    /// Only this port of the container.
    pub port: Option<(u16, Protocol)>,
}
