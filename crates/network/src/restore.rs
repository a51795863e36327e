//! Making anew what others have taken away, from what the state says; and telling of it.

use rustix::io::Errno;
use sys::netlink::Subject;

use crate::connect::port_flags;
use crate::endpoint::{Endpoint, Link};
use crate::error::Result;
use crate::fabric::{Fabric, Fault};
use crate::forwarding;
use crate::join::{self, Place};
use crate::route::{set_master, start_port};
use crate::socket::Socket;
use crate::survey::{Survey, survey};
use crate::wire::Batch;
use crate::{bridge, foreign};

/// Makes anew whatever is missing. The firewall comes first: nothing is let through before it stands.
pub(crate) fn restore(fabric: &Fabric) -> Result<()> {
    let Some(found) = survey(fabric)? else { return Ok(()) };
    if found.tables {
        fabric.firewall()?.rebuild_all()?;
    }
    if !(found.bridges.is_empty() && found.joined.is_empty() && found.detached.is_empty()) {
        mend_links(fabric, &found)?;
    }
    for (rules, _) in &found.forwarding {
        forwarding::ensure(rules)?;
    }
    if !found.obstacles.lacking.is_empty() {
        foreign::ensure(&fabric.firewall()?.socket, fabric.table())?;
    }
    take_back(fabric, &found)
}

/// Takes away what was made of a network that somebody removed meanwhile. A removal is written down before anything is
/// taken away, so one of the two sees the other.
fn take_back(fabric: &Fabric, found: &Survey) -> Result<()> {
    if !found.tables
        && found.bridges.is_empty()
        && found.joined.is_empty()
        && found.obstacles.lacking.is_empty()
    {
        return Ok(());
    }
    let known = fabric.state().bridges()?;
    let gone = |rules: &&crate::BridgeRules| !known.iter().any(|other| other.bridge == rules.bridge);
    found.known.iter().filter(gone).try_for_each(|rules| fabric.remove(rules))
}

fn mend_links(fabric: &Fabric, found: &Survey) -> Result<()> {
    let host = Socket::open(Subject::Route)?;
    for (rules, _) in &found.bridges {
        bridge::ensure(&host, rules)?;
    }
    for (rules, joined) in &found.joined {
        join::ensure(fabric, &host, rules, joined)?;
    }
    for endpoint in &found.detached {
        attach(fabric, &host, endpoint)?;
    }
    let detached = found.detached.iter().filter_map(Endpoint::bridge_rules);
    let mut bridges: Vec<&str> = detached.map(|rules| rules.bridge.as_str()).collect();
    bridges.sort_unstable();
    bridges.dedup();
    bridges.into_iter().try_for_each(|bridge| join::tidy(&host, bridge))
}

/// Makes a host end a port again, of whichever of its network's bridges has room.
fn attach(fabric: &Fabric, host: &Socket, endpoint: &Endpoint) -> Result<()> {
    let Link::Bridge { host_interface, rules } = &endpoint.link else { return Ok(()) };
    let ports = fabric.state().ports_of(&endpoint.container_id)?;
    let mut place = Place::first(endpoint);
    loop {
        let mut batch = Batch::new();
        set_master(&mut batch, host_interface, place.index(fabric, host, rules)?);
        start_port(&mut batch, host_interface, endpoint.mtu, port_flags(endpoint, rules, &ports));
        match host.send(batch)?.into_iter().next() {
            None => return place.remember(fabric.state()),
            Some(refusal) if refusal.errno == Errno::XFULL => place = place.next(fabric, host, rules)?,
            // Its container has ended meanwhile.
            Some(refusal) if refusal.errno == Errno::NODEV && host.find_index(host_interface)?.is_none() => {
                return Ok(());
            }
            Some(refusal) => return Err(refusal.into()),
        }
    }
}

/// Tells what is missing or in the way, a line each.
pub(crate) fn faults(fabric: &Fabric) -> Result<Vec<Fault>> {
    let Some(found) = survey(fabric)? else { return Ok(Vec::new()) };
    let anew = || Some("the next start of a container makes it anew".to_owned());
    let mut faults = Vec::new();
    let mut tell = |what: String, remedy: Option<String>| faults.push(Fault { what, remedy });
    if found.tables {
        let table = fabric.table();
        tell(format!("firewall tables `inet {table}` and `bridge {table}` lack rules"), anew());
    }
    for (rules, why) in &found.bridges {
        tell(format!("bridge `{}` {why}", rules.bridge), anew());
    }
    for (rules, joined) in &found.joined {
        tell(format!("bridge `{joined}` is cut off from `{}`", rules.bridge), anew());
    }
    for endpoint in &found.detached {
        let (container, network) = (&endpoint.container_id, &endpoint.network);
        tell(format!("container `{container}` is cut off from network `{network}`"), anew());
    }
    for (rules, version) in &found.forwarding {
        let remedy = match *version {
            "IPv4" => "sysctl -w net.ipv4.ip_forward=1".to_owned(),
            _ => "sysctl -w net.ipv6.conf.all.forwarding=1".to_owned(),
        };
        tell(format!("{version} of bridge `{}` is not forwarded", rules.bridge), Some(remedy));
    }
    for (place, _) in &found.obstacles.lacking {
        let (family, table, chain) = (place.family, &place.table, &place.chain);
        tell(
            format!(
                "chain `{chain}` of firewall table `{family} {table}` lacks the rules that let containers through"
            ),
            anew(),
        );
    }
    for place in &found.obstacles.closed {
        let (family, table, chain) = (place.family, &place.table, &place.chain);
        let prefix = foreign::PREFIX;
        tell(
            format!(
                "chain `{chain}` of firewall table `{family} {table}` drops forwarded packets by default"
            ),
            Some(format!(
                "nft insert rule {family} {table} {chain} iifname \"{prefix}*\" accept; \
                 nft insert rule {family} {table} {chain} oifname \"{prefix}*\" accept"
            )),
        );
    }
    faults.extend(legacy(&Socket::open(Subject::Route)?)?);
    faults.extend(neighbours(fabric)?);
    Ok(faults)
}

/// Tables of the old iptables cannot be read by anybody but itself.
fn legacy(host: &Socket) -> Result<Option<Fault>> {
    let names = sys::fs::read_to_string("/proc/net/ip_tables_names").unwrap_or_default();
    let filters = names.lines().any(|name| name == "filter");
    if !filters || host.find_index("docker0")?.is_none() {
        return Ok(None);
    }
    Ok(Some(Fault {
        what: "docker uses iptables-legacy, whose rules may drop packets of containers unseen".into(),
        remedy: Some(
            "iptables-legacy -I DOCKER-USER -i coracle+ -j ACCEPT; \
                      iptables-legacy -I DOCKER-USER -o coracle+ -j ACCEPT; or switch to iptables-nft"
                .into(),
        ),
    }))
}

/// The kernel remembers so many neighbours on the whole machine; beyond, packets are dropped with "No buffer space
/// available" (arp(7), `gc_thresh3`).
fn neighbours(fabric: &Fabric) -> Result<Option<Fault>> {
    let claimed = fabric.state().addresses()?;
    for (path, name) in [
        ("ipv4/neigh/default/gc_thresh3", "net.ipv4.neigh.default"),
        ("ipv6/neigh/default/gc_thresh3", "net.ipv6.neigh.default"),
    ] {
        let Some(limit) = forwarding::get(path).and_then(|text| text.parse::<usize>().ok()) else { continue };
        if claimed * 5 > limit * 4 {
            let wanted = (claimed * 2).next_power_of_two().max(4096);
            return Ok(Some(Fault {
                what: format!(
                    "{claimed} addresses are given to containers, and the kernel remembers {limit} neighbours"
                ),
                remedy: Some(format!(
                    "sysctl -w {name}.gc_thresh3={wanted} {name}.gc_thresh2={}",
                    wanted / 2
                )),
            }));
        }
    }
    Ok(None)
}
