//! Looking at the kernel and telling what is not as it should be. Where all is well, names of the state are read and no
//! contents.

use std::collections::HashSet;
use std::path::Path;

use sys::Dir;
use sys::netlink::{Interfaces, Subject};

use crate::elements;
use crate::endpoint::{Endpoint, host_interface};
use crate::error::Result;
use crate::fabric::Fabric;
use crate::foreign::{self, Obstacles};
use crate::forwarding;
use crate::join;
use crate::nft::list_elements;
use crate::route::{find_link, list_addresses, list_ports};
use crate::rules::BridgeRules;
use crate::socket::Socket;
use crate::tables::BRIDGES;

/// What is wrong.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// The bridges that there should be.
    pub(crate) known: Vec<BridgeRules>,
    /// The firewall tables lack rules, or bridges.
    pub(crate) tables: bool,
    /// Bridges that are missing, down or without an address; and why.
    pub(crate) bridges: Vec<(BridgeRules, &'static str)>,
    /// Further bridges that are cut off from their first.
    pub(crate) joined: Vec<(BridgeRules, String)>,
    /// Endpoints whose host end is there, and is down or no port of its bridge.
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
    let addresses = list_addresses(&host)?;
    let mut found = Survey { tables: !firewall.is_whole()?, ..Survey::default() };
    if !found.tables {
        let held = list_elements(&firewall.socket, crate::nft::Family::Inet, fabric.table(), BRIDGES)?;
        let held: Vec<String> = held.iter().map(|(key, _)| elements::interface_of(key)).collect();
        found.tables = known.iter().any(|rules| !held.contains(&rules.bridge));
    }
    for rules in &known {
        let why = match find_link(&host, &rules.bridge)? {
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
        for joined in join::bridges_of(&host, &rules.bridge)? {
            if !join::is_joined(&host, &rules.bridge, &joined)? {
                found.joined.push((rules.clone(), joined));
            }
        }
        found.forwarding.extend(not_forwarded(rules).map(|version| (rules.clone(), version)));
    }
    found.detached = detached(fabric, &host, &known)?;
    found.obstacles = foreign::look(&firewall.socket, fabric.table())?;
    found.known = known;
    Ok(Some(found))
}

fn not_forwarded(rules: &BridgeRules) -> Option<&'static str> {
    let has = |ipv4: bool| !rules.internal && rules.subnets.iter().any(|subnet| subnet.is_ipv4() == ipv4);
    if has(true) && !forwarding::ipv4_on() {
        return Some("IPv4");
    }
    (has(false) && forwarding::has_ipv6() && !forwarding::ipv6_on(&rules.bridge)).then_some("IPv6")
}

/// Finds endpoints whose host end is a port of nothing, or of something else. Names of host ends follow from ids: what
/// is no port of ours is looked at, one by one, and what is there and detached is read.
fn detached(fabric: &Fabric, host: &Socket, known: &[BridgeRules]) -> Result<Vec<Endpoint>> {
    let names = known.iter().flat_map(|rules| join::names(&rules.bridge).chain([rules.bridge.clone()]));
    let mut attached = HashSet::new();
    let mut bridges = HashSet::new();
    for name in names {
        if let Some(index) = host.find_index(&name)? {
            bridges.insert(index);
            attached.extend(ports(host, &name, index)?);
        }
    }
    let interfaces = Interfaces::open()?;
    let mut found = Vec::new();
    for network_id in fabric.state().networks()? {
        for container_id in fabric.state().members(&network_id)? {
            let end = host_interface(&container_id, &network_id);
            if attached.contains(&end) {
                if interfaces.is_down(&end) {
                    found.extend(fabric.state().endpoint(&network_id, &container_id)?);
                }
            } else if let Some(link) = find_link(host, &end)?
                && !link.master.is_some_and(|master| bridges.contains(&master))
            {
                found.extend(fabric.state().endpoint(&network_id, &container_id)?);
            }
        }
    }
    Ok(found)
}

/// Lists the names of a bridge's ports. A directory of sysfs is read in a tenth of the time that netlink takes, which
/// tells 1,500 bytes of each. Where sysfs is that of another network namespace it knows no such bridge, or other ports;
/// then ours are looked at one by one.
pub(crate) fn ports(host: &Socket, bridge: &str, index: u32) -> Result<Vec<String>> {
    match Dir::open(Path::new("/sys/class/net").join(bridge).join("brif")).and_then(|dir| dir.list(".")) {
        Ok(entries) => Ok(entries.into_iter().filter_map(|entry| entry.name.into_string().ok()).collect()),
        Err(_) => Ok(list_ports(host, index)?.into_iter().map(|link| link.name).collect()),
    }
}
