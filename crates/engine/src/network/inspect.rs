//! `network inspect`: everything about a network, with Docker's field names.

use network::{Cidr, State};
use serde_json::{Map, Value, json};
use supervisor::log::format_time;

use super::shelf;
use crate::error::Result;
use crate::paths::Engine;

/// Describes a network as Docker's API does.
pub fn inspect(engine: &Engine, word: &str) -> Result<Value> {
    let network = shelf::find(engine, word)?;
    let mut containers = Map::new();
    for endpoint in State::new(engine.run_root()).endpoints(&network.id)? {
        let address =
            |ipv4: bool| endpoint.addresses.iter().find(|cidr| cidr.is_ipv4() == ipv4).map(Cidr::to_string);
        let entry = json!({
            "Name": crate::container::name_of(engine, &endpoint.container_id).unwrap_or_default(),
            "EndpointID": super::settings::endpoint_id(&endpoint),
            "MacAddress": endpoint.mac.to_string(),
            "IPv4Address": address(true).unwrap_or_default(),
            "IPv6Address": address(false).unwrap_or_default(),
        });
        containers.insert(endpoint.container_id, entry);
    }
    let subnets = network.subnets.iter().map(|subnet| {
        let mut entry = Map::new();
        entry.insert("Subnet".into(), json!(subnet.subnet.to_string()));
        if let Some(range) = subnet.range {
            entry.insert("IPRange".into(), json!(range.to_string()));
        }
        if let Some(gateway) = subnet.gateway {
            entry.insert("Gateway".into(), json!(gateway.to_string()));
        }
        if !subnet.reserved.is_empty() {
            let reserved = subnet.reserved.iter().map(|(name, ip)| (name.clone(), json!(ip.to_string())));
            entry.insert("AuxiliaryAddresses".into(), Value::Object(reserved.collect()));
        }
        Value::Object(entry)
    });
    let bridge = network.bridge_rules().map(|rules| rules.bridge);
    Ok(json!({
        "Name": network.name,
        "Id": network.id,
        "Created": format_time(network.created),
        "Scope": "local",
        "Driver": network.driver.word(),
        "EnableIPv4": true,
        "EnableIPv6": network.ipv6,
        "IPAM": { "Driver": "default", "Options": {}, "Config": subnets.collect::<Vec<_>>() },
        "Internal": network.internal,
        "Attachable": false,
        "Ingress": false,
        "ConfigFrom": { "Network": "" },
        "ConfigOnly": false,
        "Containers": containers,
        "Options": network.options,
        "Labels": network.labels,
        "Interface": bridge,
    }))
}
