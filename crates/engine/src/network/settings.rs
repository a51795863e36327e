//! `NetworkSettings` of `inspect`: where a container is on its networks, in Docker's words.

use network::{Endpoint, PortRule, Protocol, State};
use serde_json::{Map, Value, json};

use super::shelf;
use crate::container::ContainerRecord;
use crate::error::Result;
use crate::paths::Engine;
use crate::request::{DEFAULT_NETWORK, EndpointRequest, NetworkMode};

/// Describes the networks of a container. `pid` is its first process, where it runs.
pub(crate) fn settings(engine: &Engine, record: &ContainerRecord, pid: Option<i32>) -> Result<Value> {
    let state = State::new(engine.run_root());
    let endpoints = if pid.is_some() { state.endpoints_of(&record.id)? } else { Vec::new() };
    let rules = if pid.is_some() { state.ports_of(&record.id)? } else { Vec::new() };
    let mut networks = Map::new();
    for asked in shelf::asked(&record.request.namespaces.network) {
        let name = shelf::find(engine, &asked.network).map_or(asked.network.clone(), |network| network.name);
        let endpoint = endpoints.iter().find(|endpoint| endpoint.network == name);
        networks.insert(name, of_network(&asked, endpoint));
    }
    if let Some(name) = plain(&record.request.namespaces.network) {
        networks.insert(name.to_owned(), of_network(&EndpointRequest::default(), None));
    }
    let main = endpoints.iter().find(|endpoint| endpoint.network == DEFAULT_NETWORK);
    let of = |ipv4: bool| Address::of(main, ipv4);
    Ok(json!({
        "Bridge": "",
        "SandboxID": pid.map_or("", |_| record.id.as_str()),
        "SandboxKey": pid.map_or_else(String::new, |pid| format!("/proc/{pid}/ns/net")),
        "Ports": ports(&rules, &super::exposed(record)),
        "EndpointID": main.map(endpoint_id).unwrap_or_default(),
        "Gateway": of(true).gateway,
        "IPAddress": of(true).address,
        "IPPrefixLen": of(true).prefix,
        "IPv6Gateway": of(false).gateway,
        "GlobalIPv6Address": of(false).address,
        "GlobalIPv6PrefixLen": of(false).prefix,
        "MacAddress": main.map(|endpoint| endpoint.mac.to_string()).unwrap_or_default(),
        "Networks": networks,
        // What Docker has of its first bridges.
        "HairpinMode": false,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": null,
        "SecondaryIPv6Addresses": null,
    }))
}

/// Networks that give nothing of their own, as Docker shows them.
fn plain(mode: &NetworkMode) -> Option<&'static str> {
    match mode {
        NetworkMode::Host => Some("host"),
        NetworkMode::None => Some("none"),
        _ => None,
    }
}

/// An endpoint's id: what its host interface is derived from, at the length that clients expect.
pub(super) fn endpoint_id(endpoint: &Endpoint) -> String {
    format!("{}{}", &endpoint.network_id[..32], &endpoint.container_id[..32])
}

#[derive(Default)]
struct Address {
    address: String,
    prefix: u8,
    gateway: String,
}

impl Address {
    fn of(endpoint: Option<&Endpoint>, ipv4: bool) -> Self {
        let Some(endpoint) = endpoint else { return Self::default() };
        let Some(cidr) = endpoint.addresses.iter().find(|cidr| cidr.is_ipv4() == ipv4) else {
            return Self::default();
        };
        let bridge = endpoint.bridge_rules().and_then(|rules| {
            rules.subnets.iter().find(|subnet| subnet.is_ipv4() == ipv4 && !rules.internal)
        });
        let routed = endpoint.gateways.iter().find(|gateway| gateway.is_ipv4() == ipv4);
        let gateway = routed.copied().or(bridge.map(|subnet| subnet.address));
        Self {
            address: cidr.address.to_string(),
            prefix: cidr.prefix,
            gateway: gateway.map(|gateway| gateway.to_string()).unwrap_or_default(),
        }
    }
}

fn of_network(asked: &EndpointRequest, endpoint: Option<&Endpoint>) -> Value {
    let (ipv4, ipv6) = (Address::of(endpoint, true), Address::of(endpoint, false));
    let aliases = (!asked.aliases.is_empty()).then(|| asked.aliases.clone());
    let ipam = (asked.ipv4.is_some() || asked.ipv6.is_some()).then(|| {
        let mut config = Map::new();
        config.extend(asked.ipv4.map(|ip| ("IPv4Address".to_owned(), json!(ip.to_string()))));
        config.extend(asked.ipv6.map(|ip| ("IPv6Address".to_owned(), json!(ip.to_string()))));
        Value::Object(config)
    });
    json!({
        "IPAMConfig": ipam,
        "Links": Value::Null,
        "Aliases": aliases,
        "DriverOpts": Value::Null,
        "NetworkID": endpoint.map(|endpoint| endpoint.network_id.clone()).unwrap_or_default(),
        "EndpointID": endpoint.map(endpoint_id).unwrap_or_default(),
        "Gateway": ipv4.gateway,
        "IPAddress": ipv4.address,
        "IPPrefixLen": ipv4.prefix,
        "IPv6Gateway": ipv6.gateway,
        "GlobalIPv6Address": ipv6.address,
        "GlobalIPv6PrefixLen": ipv6.prefix,
        "MacAddress": endpoint.map(|endpoint| endpoint.mac.to_string()).unwrap_or_default(),
        "DNSNames": endpoint.map(|endpoint| endpoint.names.clone()).filter(|names| !names.is_empty()),
    })
}

/// Ports of the container, each with where it is published: `null` where it is only said to be served.
fn ports(rules: &[PortRule], exposed: &[(u16, Protocol)]) -> Value {
    let mut map = Map::new();
    for (port, protocol) in exposed {
        let bindings: Vec<Value> = rules
            .iter()
            .filter(|rule| (rule.container.port(), rule.protocol) == (*port, *protocol))
            .map(|rule| json!({ "HostIp": rule.host.ip().to_string(), "HostPort": rule.host.port().to_string() }))
            .collect();
        let value = if bindings.is_empty() { Value::Null } else { Value::Array(bindings) };
        map.insert(format!("{port}/{protocol}"), value);
    }
    Value::Object(map)
}
