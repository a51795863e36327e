//! The record of a network: what it is, on disk until it is removed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use network::{BridgeRules, Cidr, MacvlanMode};
use serde::{Deserialize, Serialize};
use store::Record;

use crate::paths::Engine;
use crate::request::{DEFAULT_NETWORK, SubnetRequest};

/// Everything about a network that is not looked up anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NetworkRecord {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Nanoseconds since 1970.
    pub(crate) created: i64,
    pub(crate) driver: Driver,
    pub(crate) internal: bool,
    pub(crate) ipv6: bool,
    /// Each with a gateway.
    pub(crate) subnets: Vec<SubnetRequest>,
    /// Whether the engine has chosen the subnets: then it may choose others, should the host come to need these.
    pub(crate) chosen: bool,
    /// As asked, for `inspect`.
    pub(crate) options: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
}

/// How containers of a network are connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Driver {
    Bridge {
        /// Name of the interface.
        bridge: String,
        /// Whether containers reach each other.
        between: bool,
        masquerade: bool,
        mtu: Option<u32>,
        /// Where ports are published unless asked otherwise.
        host_binding: Option<IpAddr>,
        /// What the names of interfaces inside begin with.
        prefix: String,
    },
    Macvlan {
        parent: String,
        mode: MacvlanMode,
        mtu: Option<u32>,
    },
    /// The host's own.
    Host,
    /// None but loopback.
    Null,
}

impl Driver {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Bridge { .. } => "bridge",
            Self::Macvlan { .. } => "macvlan",
            Self::Host => "host",
            Self::Null => "null",
        }
    }
}

impl Record for NetworkRecord {
    const KIND: &'static str = "network";
    const VERSION: u32 = 1;
}

impl NetworkRecord {
    /// Tells what has happened to it.
    pub(super) fn tell(&self, engine: &Engine, action: &str) {
        crate::events::of_network(
            engine,
            &self.id,
            action,
            &[("name", &self.name), ("type", self.driver.word())],
        );
    }

    /// Tells what has happened between it and a container.
    pub(super) fn tell_of(&self, engine: &Engine, container: &str, action: &str) {
        let driver = self.driver.word();
        let attributes = [("container", container), ("name", &*self.name), ("type", driver)];
        crate::events::of_network(engine, &self.id, action, &attributes);
    }

    /// Whether the engine brings it along.
    pub(crate) fn is_builtin(&self) -> bool {
        super::shelf::BUILTIN.contains(&self.name.as_str())
    }

    /// Whether containers find each other by name on it: on all but the default one, as with Docker.
    pub(crate) fn serves_names(&self) -> bool {
        self.name != DEFAULT_NETWORK
    }

    /// What the fabric makes of it, if it has a bridge.
    pub(crate) fn bridge_rules(&self) -> Option<BridgeRules> {
        let Driver::Bridge { bridge, between, masquerade, .. } = &self.driver else { return None };
        let subnets =
            self.subnets.iter().filter_map(|subnet| Cidr::new(subnet.gateway?, subnet.subnet.prefix));
        Some(BridgeRules {
            bridge: bridge.clone(),
            internal: self.internal,
            between: *between,
            masquerade: *masquerade,
            subnets: subnets.collect(),
        })
    }

    /// Returns the subnet of one family.
    pub(crate) fn subnet(&self, ipv4: bool) -> Option<&SubnetRequest> {
        self.subnets.iter().find(|subnet| subnet.subnet.is_ipv4() == ipv4)
    }
}
