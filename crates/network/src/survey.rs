//! Looking at the kernel and telling what is not as it should be. What is read of the state grows with networks, not with
//! containers, where all is well.

use std::collections::HashMap;

use sys::netlink::Subject;

use crate::elements;
use crate::endpoint::{Endpoint, Link};
use crate::error::Result;
use crate::fabric::Fabric;
use crate::foreign::{self, Obstacles};
use crate::forwarding;
use crate::join;
use crate::nft::list_elements;
use crate::route::{LinkListed, list_addresses, list_links};
use crate::rules::BridgeRules;
use crate::socket::Socket;
use crate::tables::BRIDGES;

/// What is wrong.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// The firewall tables lack rules, or bridges.
    pub(crate) tables: bool,
    /// Bridges that are missing, down or without an address; and why.
    pub(crate) bridges: Vec<(BridgeRules, &'static str)>,
    /// Further bridges that are cut off from their first.
    pub(crate) joined: Vec<(BridgeRules, String)>,
    /// Endpoints whose host end is there, and is no port of its bridge.
    pub(crate) detached: Vec<Endpoint>,
    /// Networks for which nothing is forwarded, and the version of IP.
    pub(crate) forwarding: Vec<(BridgeRules, &'static str)>,
    pub(crate) obstacles: Obstacles,
}

/// Looks at everything. None where the engine has no bridge, and so nothing can be wrong.
pub(crate) fn survey(fabric: &Fabric) -> Result<Option<Survey>> {
    let known = fabric.state().bridges()?;
    if known.is_empty() {
        return Ok(None);
    }
    let host = Socket::open(Subject::Route)?;
    let firewall = fabric.firewall()?;
    let links: HashMap<String, LinkListed> =
        list_links(&host)?.into_iter().map(|link| (link.name.clone(), link)).collect();
    let addresses = list_addresses(&host)?;
    let mut found = Survey { tables: !firewall.is_whole()?, ..Survey::default() };
    if !found.tables {
        let held = list_elements(&firewall.socket, crate::nft::Family::Inet, fabric.table(), BRIDGES)?;
        let held: Vec<String> = held.iter().map(|(key, _)| elements::interface_of(key)).collect();
        found.tables = known.iter().any(|rules| !held.contains(&rules.bridge));
    }
    for rules in &known {
        let why = match links.get(&rules.bridge) {
            None => Some("is gone"),
            Some(link) if !link.up => Some("is down"),
            Some(link) => {
                let has = |subnet: &&crate::Cidr| {
                    !subnet.is_ipv4() && !forwarding::has_ipv6()
                        || addresses
                            .iter()
                            .any(|listed| listed.index == link.index && listed.address == **subnet)
                };
                let all = rules.subnets.iter().filter(has).count() == rules.subnets.len();
                (!all).then_some("has lost an address")
            }
        };
        found.bridges.extend(why.map(|why| (rules.clone(), why)));
        for joined in join::bridges_of(&host, &rules.bridge) {
            if !join::is_joined(&links, &rules.bridge, &joined) {
                found.joined.push((rules.clone(), joined));
            }
        }
        found.forwarding.extend(not_forwarded(rules).map(|version| (rules.clone(), version)));
    }
    found.detached = detached(fabric, &known, &links)?;
    found.obstacles = foreign::look(&firewall.socket, fabric.table())?;
    Ok(Some(found))
}

fn not_forwarded(rules: &BridgeRules) -> Option<&'static str> {
    let has = |ipv4: bool| !rules.internal && rules.subnets.iter().any(|subnet| subnet.is_ipv4() == ipv4);
    if has(true) && !forwarding::ipv4_on() {
        return Some("IPv4");
    }
    (has(false) && forwarding::has_ipv6() && !forwarding::ipv6_on(&rules.bridge)).then_some("IPv6")
}

/// Finds endpoints whose host end is a port of nothing, or of something else. They are read only if fewer ends are
/// ports of bridges than there are endpoints.
fn detached(
    fabric: &Fabric,
    known: &[BridgeRules],
    links: &HashMap<String, LinkListed>,
) -> Result<Vec<Endpoint>> {
    let is_bridge = |index: u32| {
        let named = |name: &str| links.get(name).is_some_and(|link| link.index == index);
        known
            .iter()
            .any(|rules| named(&rules.bridge) || join::names(&rules.bridge).any(|joined| named(&joined)))
    };
    let mut bridges: HashMap<u32, bool> = HashMap::new();
    let mut attached =
        |link: &LinkListed| link.master.is_some_and(|m| *bridges.entry(m).or_insert_with(|| is_bridge(m)));
    let ends = links.values().filter(|link| link.name.starts_with("crc") && attached(link)).count();
    if ends >= fabric.state().count("endpoints")? {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for network_id in fabric.state().networks()? {
        for endpoint in fabric.state().endpoints(&network_id)? {
            if let Link::Bridge { host_interface, .. } = &endpoint.link
                && links.get(host_interface).is_some_and(|link| !attached(link))
            {
                found.push(endpoint);
            }
        }
    }
    Ok(found)
}
