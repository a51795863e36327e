//! Why a published port is reached, or is not: which element, which rules, whose chains. One line a fact.

use std::net::{IpAddr, Ipv6Addr};

use crate::elements;
use crate::error::Result;
use crate::fabric::Fabric;
use crate::foreign::{self, Place};
use crate::forwarding;
use crate::nft::constants::{FORWARD, PREROUTING};
use crate::nft::{ChainListed, list_chains, list_elements};
use crate::rules::{BridgeRules, PortRule};

/// Tells by what a packet to a published port comes to its container.
pub(crate) fn explain(fabric: &Fabric, port: &PortRule) -> Result<Vec<String>> {
    let firewall = fabric.firewall()?;
    let table = fabric.table();
    let mut lines = Vec::new();
    lines.extend(by_element(fabric, port)?);
    if !firewall.is_whole()? {
        lines.push(format!(
            "table `inet {table}`: rules are MISSING, so packets go where other firewalls let them"
        ));
    }
    lines.push(loopback_note(port));
    let bridge = fabric
        .state()
        .bridges()?
        .into_iter()
        .find(|rules| rules.subnets.iter().any(|subnet| subnet.network().contains(port.container.ip())));
    lines.extend(by_bridge(table, port, bridge.as_ref()));
    let obstacles = foreign::look(&firewall.socket, table)?;
    let said = |places: &[Place], chain: &ChainListed| {
        places.iter().any(|place| {
            (place.family, &place.table, &place.chain) == (chain.family, &chain.table, &chain.name)
        })
    };
    let lacking: Vec<Place> = obstacles.lacking.into_iter().map(|(place, _)| place).collect();
    for chain in list_chains(&firewall.socket)? {
        let named = format!("chain `{}` of table `{} {}`", chain.name, chain.family, chain.table);
        let note = match (said(&obstacles.passing, &chain), said(&lacking, &chain)) {
            (true, _) => " with our two rules at its top, which let containers through",
            (_, true) => " WITHOUT our two rules, which would let containers through",
            _ => "",
        };
        let policy = if chain.drops { "drops what no rule decides" } else { "accepts what no rule decides" };
        match chain.hook {
            _ if chain.table == table => {}
            Some((PREROUTING | FORWARD, priority)) => {
                lines.push(format!("others: {named}, priority {priority}: {policy}{note}"));
            }
            None if !note.is_empty() => lines.push(format!("others: {named}{note}")),
            _ => {}
        }
    }
    Ok(lines)
}

fn by_element(fabric: &Fabric, port: &PortRule) -> Result<Vec<String>> {
    let table = fabric.table();
    let Some(element) = elements::of_port(port) else {
        return Ok(vec![format!(
            "{} {}: the container's supervisor listens there and passes connections on to {}",
            port.protocol, port.host, port.container
        )]);
    };
    let held = list_elements(&fabric.firewall()?.socket, element.family, table, element.set)?;
    let place = format!("map `{}` of table `inet {table}`", element.set);
    let words = format!("{} {} → {}", port.protocol, port.host, port.container);
    let line = match held.iter().find(|(key, _)| *key == element.key) {
        Some((_, value)) if *value == element.value => format!("{place}: {words}"),
        Some(_) => format!("{place}: {} {} leads to ANOTHER container", port.protocol, port.host),
        None => format!("{place}: {words} is MISSING"),
    };
    let from = if port.host.ip().is_loopback() { "chain" } else { "chains `published` (from elsewhere) and" };
    Ok(vec![
        line,
        format!("{from} `published-local` (from this host): the packet gets the container's address"),
    ])
}

fn loopback_note(port: &PortRule) -> String {
    match port.host.ip() {
        IpAddr::V6(Ipv6Addr::LOCALHOST) => "only this host reaches ::1".into(),
        address if address.is_loopback() => {
            "only this host reaches it: chain `published` leaves packets to 127.0.0.0/8 alone, and chain `guard` \
             drops those of containers"
                .into()
        }
        address if address.is_unspecified() => "every address of this host is meant".into(),
        address => format!("packets to {address} are meant, whoever sends them"),
    }
}

fn by_bridge(table: &str, port: &PortRule, bridge: Option<&BridgeRules>) -> Vec<String> {
    let Some(rules) = bridge else {
        return vec![format!("no bridge of this engine leads to {}", port.container.ip())];
    };
    let bridge = &rules.bridge;
    let mut lines = vec![if rules.internal {
        format!(
            "chain `forward` of table `inet {table}`: `{bridge}` is internal: \"nothing enters an internal network\""
        )
    } else {
        format!("chain `forward` of table `inet {table}`: \"published ports\" lets it through to `{bridge}`")
    }];
    let on = match port.container.is_ipv4() {
        true => forwarding::ipv4_on(),
        false => forwarding::ipv6_on(bridge),
    };
    if !on {
        lines.push(
            "the kernel does NOT forward packets: net.ipv4.ip_forward or its like of IPv6 is off".into(),
        );
    }
    lines
}
