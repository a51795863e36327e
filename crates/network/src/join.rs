//! Networks of more containers than a bridge has ports (1,023, `BR_MAX_PORTS`): further bridges, each connected to the
//! first by a pair of interfaces, made when they are needed.
//!
//! The names of the others differ from that of the first in their eighth byte: `coracle-1a2b3c4`, `coraclea1a2b3c4`.
//! With br_netfilter the host's own addresses are reached on such a bridge itself, which passes packets to published
//! ports on to the first; so it needs the switches of the first, and loose checks of source addresses, which need an
//! address of its own (`__fib_validate_source`): the gateway's, for which it does not answer.

use rustix::io::Errno;
use store::Durability;
use sys::Dir;

use crate::bridge;
use crate::connect::port_flags;
use crate::elements;
use crate::endpoint::{Endpoint, HOST_END};
use crate::error::{Error, Result};
use crate::fabric::Fabric;
use crate::forwarding::set_interface;
use crate::hash::fnv;
use crate::route::{
    PortFlags, await_carrier, delete_link, find_link, flush_bridge, list_ports, new_address, new_join,
    set_master, start_link, start_port,
};
use crate::socket::Socket;
use crate::state::State;
use crate::wire::Batch;
use crate::{BridgeRules, Cidr};

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";
/// Ports that a bridge gets before another is joined to it. The kernel takes 1,023, but what goes to all of them, as the
/// first question for a neighbour does, is a copy each in the queue of one processor, which holds 1,000
/// (`net.core.netdev_max_backlog`): the oldest ports would hear nothing.
const PORTS_MAX: usize = 800;
const HINT: &str = "bridge";
/// How often a connection is tried while others take the port that was meant for it.
const ATTEMPTS: usize = 16;

/// On which of a network's bridges a container goes.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    network_id: String,
    /// None for the first bridge.
    letter: Option<char>,
    /// Those that were full.
    full: Vec<Option<char>>,
}

impl Place {
    /// Chooses the bridge that had room last.
    pub(crate) fn find(
        fabric: &Fabric,
        host: &Socket,
        endpoint: &Endpoint,
        rules: &BridgeRules,
    ) -> Result<Self> {
        let mut place = Self::first(endpoint);
        let hint = Dir::open(fabric.state().network(&endpoint.network_id))
            .ok()
            .and_then(|directory| store::read(&directory, HINT).ok())
            .and_then(|bytes| bytes.first().copied().map(char::from));
        place.letter = hint.filter(|letter| LETTERS.contains(*letter));
        if place.letter.is_some() && host.find_index(&place.name(rules))?.is_none() {
            place.letter = None;
        }
        if place.is_full(fabric, host, rules)? { place.next(fabric, host, rules) } else { Ok(place) }
    }

    pub(crate) fn first(endpoint: &Endpoint) -> Self {
        Self { network_id: endpoint.network_id.clone(), letter: None, full: Vec::new() }
    }

    /// Chooses another one, after this one turned out to be full. Those that are there come before a new one.
    pub(crate) fn next(mut self, fabric: &Fabric, host: &Socket, rules: &BridgeRules) -> Result<Self> {
        if !rules.between {
            // Ports of two bridges cannot be kept apart by a flag that each bridge knows for itself.
            return Err(Error::BridgeFull { bridge: rules.bridge.clone() });
        }
        self.full.push(self.letter);
        let candidates = || std::iter::once(None).chain(LETTERS.chars().map(Some));
        for letter in candidates() {
            if self.full.contains(&letter) {
                continue;
            }
            self.letter = letter;
            if !self.is_full(fabric, host, rules)? {
                return Ok(self);
            }
            self.full.push(letter);
        }
        Err(Error::BridgeFull { bridge: rules.bridge.clone() })
    }

    /// Returns the index of the bridge; makes one that is not there.
    pub(crate) fn index(&self, fabric: &Fabric, host: &Socket, rules: &BridgeRules) -> Result<u32> {
        let name = self.name(rules);
        match (host.find_index(&name)?, self.letter) {
            (Some(index), _) => Ok(index),
            (None, None) => {
                fabric.ensure(rules)?;
                host.index_of(&name)
            }
            (None, Some(_)) => ensure(fabric, host, rules, &name),
        }
    }

    /// Has later containers begin where this one found room.
    pub(crate) fn remember(self, state: &State) -> Result<()> {
        if self.full.is_empty() {
            return Ok(());
        }
        let directory = Dir::open(state.network(&self.network_id))?;
        let letter = self.letter.map(String::from).unwrap_or_default();
        Ok(store::write_atomic(&directory, HINT, letter.as_bytes(), Durability::Volatile)?)
    }

    fn name(&self, rules: &BridgeRules) -> String {
        self.letter.map_or_else(|| rules.bridge.clone(), |letter| name(&rules.bridge, letter))
    }

    /// Whether a bridge has as many ports as it should have; one that is not there has none.
    fn is_full(&self, fabric: &Fabric, host: &Socket, rules: &BridgeRules) -> Result<bool> {
        let name = self.name(rules);
        let max = match fabric.ports_max() {
            Some(max) => max,
            // Who hears nobody but the host is flooded by nobody.
            None if !rules.between => return Ok(false),
            None => PORTS_MAX,
        };
        let Some(index) = host.find_index(&name)? else { return Ok(false) };
        Ok(crate::survey::ports(host, &name, index)?.len() >= max)
    }
}

/// Returns the name of a further bridge of a network.
fn name(bridge: &str, letter: char) -> String {
    match (bridge.get(..7), bridge.get(8..)) {
        (Some(first @ "coracle"), Some(rest)) => format!("{first}{letter}{rest}"),
        _ => format!("coracle{letter}{:07x}", fnv(bridge.bytes()) & 0xfff_ffff),
    }
}

/// Returns the names of the two ends of the pair that joins a bridge to the first.
fn ends(joined: &str) -> [String; 2] {
    let hash = fnv(joined.bytes()) & 0xff_ffff_ffff;
    [format!("crj{hash:010x}a"), format!("crj{hash:010x}b")]
}

/// Lists the names that further bridges of a network may have.
pub(crate) fn names(bridge: &str) -> impl Iterator<Item = String> {
    LETTERS.chars().map(move |letter| name(bridge, letter))
}

/// Lists the bridges that are joined to one, in the socket's network namespace.
pub(crate) fn bridges_of(socket: &Socket, bridge: &str) -> Result<Vec<String>> {
    let there = |name: String| socket.find_index(&name).map(|index| index.map(|_| name)).transpose();
    names(bridge).filter_map(there).collect()
}

/// Makes a further bridge and joins it to the first; others may do so at the same time.
pub(crate) fn ensure(fabric: &Fabric, host: &Socket, rules: &BridgeRules, joined: &str) -> Result<u32> {
    let mut all = bridges_of(host, &rules.bridge)?;
    if !all.iter().any(|name| name == joined) {
        all.push(joined.to_owned());
    }
    // Known before it is there: what comes over it must not be tracked twice.
    fabric.firewall()?.add(elements::of_bridge(rules, &all))?;
    let first = host.index_of(&rules.bridge)?;
    let second = bridge::create(host, joined, bridge::mac_of_name(joined))?;
    bridge::set_switches(rules, joined)?;
    set_interface("ipv4", joined, "rp_filter", "2")?;
    set_interface("ipv4", joined, "arp_ignore", "8")?;
    crate::forwarding::ensure(&BridgeRules { bridge: joined.to_owned(), ..rules.clone() })?;
    let [one, other] = ends(joined);
    for _ in 0..ATTEMPTS {
        let mut batch = Batch::new();
        for gateway in rules.subnets.iter().filter(|subnet| subnet.is_ipv4()) {
            new_address(&mut batch, second, Cidr { prefix: 32, ..*gateway });
        }
        start_link(&mut batch, joined);
        new_join(&mut batch, &one, &other);
        set_master(&mut batch, &one, first);
        set_master(&mut batch, &other, second);
        start_port(&mut batch, &one, None, PortFlags::default());
        start_port(&mut batch, &other, None, PortFlags::default());
        match host.send(batch)?.into_iter().find(|refusal| refusal.errno != Errno::EXIST) {
            None => {
                for name in [&one, &other, joined] {
                    await_carrier(host, name)?;
                }
                return Ok(second);
            }
            Some(refusal) if refusal.errno == Errno::XFULL => make_room(fabric, host, first, second)?,
            Some(refusal) => return Err(refusal.into()),
        }
    }
    Err(Error::Contended(format!("bridge {}", rules.bridge)))
}

/// Moves one container from a full bridge to the one that is to be connected to it: the connection needs a port of both.
fn make_room(fabric: &Fabric, host: &Socket, full: u32, other: u32) -> Result<()> {
    let ports = list_ports(host, full)?;
    let Some(moved) = ports.iter().find(|port| port.name.starts_with(HOST_END)) else { return Ok(()) };
    let endpoint = fabric.state().endpoint_of(&moved.name)?;
    let mut flags = PortFlags::default();
    if let Some(endpoint) = &endpoint
        && let Some(rules) = endpoint.bridge_rules()
    {
        flags = port_flags(endpoint, rules, &fabric.state().ports_of(&endpoint.container_id)?);
    }
    let mut batch = Batch::new();
    set_master(&mut batch, &moved.name, other);
    start_port(&mut batch, &moved.name, endpoint.and_then(|endpoint| endpoint.mtu), flags);
    match host.send(batch)?.into_iter().find(|refusal| refusal.errno != Errno::NODEV) {
        Some(refusal) => Err(refusal.into()),
        // Or it has ended meanwhile, which makes room as well.
        None => Ok(()),
    }
}

/// Whether a joined bridge is connected to the first.
pub(crate) fn is_joined(host: &Socket, bridge: &str, joined: &str) -> Result<bool> {
    for (end, bridge) in ends(joined).iter().zip([bridge, joined]) {
        let index = host.find_index(bridge)?;
        let end = find_link(host, end)?;
        if !end.is_some_and(|end| end.up && end.master.is_some() && end.master == index) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Tidies up after ports have come to other bridges than before: connections to bridges that are gone, and what bridges
/// remember of who is where, by which they would go on sending frames nowhere for minutes.
pub(crate) fn tidy(host: &Socket, bridge: &str) -> Result<()> {
    let mut batch = Batch::new();
    flush_bridge(&mut batch, bridge);
    for joined in names(bridge) {
        match host.find_index(&joined)? {
            Some(_) => flush_bridge(&mut batch, &joined),
            None => delete_link(&mut batch, &ends(&joined)[0]),
        }
    }
    match host.send(batch)?.into_iter().find(|refusal| refusal.errno != Errno::NODEV) {
        Some(refusal) => Err(refusal.into()),
        None => Ok(()),
    }
}

/// Says that all further bridges of a network are to go, and their connections, which may be left of one that is gone.
pub(crate) fn remove_all(batch: &mut Batch, bridge: &str) {
    for joined in names(bridge) {
        delete_link(batch, &ends(&joined)[0]);
        delete_link(batch, &joined);
    }
}

#[cfg(test)]
mod tests {
    use super::{ends, name};

    #[test]
    fn names_fit_and_begin_as_all_bridges_do() {
        assert_eq!(name("coracle0", 'a'), "coraclea");
        assert_eq!(name("coracle-1a2b3c4", 'z'), "coraclez1a2b3c4");
        assert_eq!(name("bridge-of-old", 'b').len(), 15);
        assert!(name("bridge-of-old", 'b').starts_with("coracleb"));
        assert!(ends("coraclea").iter().all(|end| end.len() == 14));
    }
}
