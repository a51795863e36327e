//! Connecting a container and taking it off again. The usual way is one message batch for each place that changes:
//! firewall, host, container; nothing is looked up that need not be.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;

use sys::netlink::Subject;

use crate::elements;
use crate::endpoint::{Endpoint, Link};
use crate::error::{Error, Result};
use crate::fabric::{Connection, Fabric};
use crate::inside::Container;
use crate::join::Place;
use crate::nft::Element;
use crate::route::{Inside, PortFlags, await_carrier, delete_link, new_macvlan, new_pair, start_port};
use crate::rules::{BridgeRules, PortRule, Rule};
use crate::socket::Socket;
use crate::wire::Batch;

/// How often the host's side is tried: stale interfaces, full bridges and missing ones are found by trying.
const ATTEMPTS: usize = 64;

/// Connects a container; on failure nothing is left.
pub(crate) fn connect(fabric: &Fabric, connection: &Connection<'_>, netns: BorrowedFd<'_>) -> Result<()> {
    let host = Socket::open(Subject::Route)?;
    let container = Container::open(netns)?;
    let done = guard(fabric, &host, connection).and_then(|()| {
        attach(fabric, &host, connection, &container)?;
        container.configure(connection.endpoints, connection.resolver_port)?;
        settle(&host, connection.endpoints)
    });
    if done.is_err() {
        // The failure that is reported is the first.
        let _ = disconnect(fabric, connection.endpoints, connection.ports);
        let _ = container.remove_macvlans(connection.endpoints);
    }
    done
}

/// Takes a container's host ends and elements away. In this order: a port that the firewall does not know is not held to
/// its own addresses.
pub(crate) fn disconnect(fabric: &Fabric, endpoints: &[Endpoint], ports: &[PortRule]) -> Result<()> {
    let gone = remove_host_ends(&Socket::open(Subject::Route)?, endpoints);
    forget(fabric, endpoints, ports)?;
    gone
}

/// Takes a container's elements away.
pub(crate) fn forget(fabric: &Fabric, endpoints: &[Endpoint], ports: &[PortRule]) -> Result<()> {
    let mut elements: Vec<Element> = endpoints.iter().flat_map(own_elements).collect();
    elements.extend(ports.iter().filter_map(elements::of_port));
    if elements.is_empty() {
        return Ok(());
    }
    let firewall = fabric.firewall()?;
    firewall.remove(elements)?;
    crate::conntrack::forget(&firewall.socket, ports)
}

/// Returns what the firewall knows of an endpoint, its bridge included.
pub(crate) fn endpoint_elements(endpoint: &Endpoint) -> Vec<Element> {
    let mut elements = own_elements(endpoint);
    elements.extend(endpoint.bridge_rules().iter().flat_map(|rules| elements::of_bridge(rules, &[])));
    elements
}

pub(crate) fn own_elements(endpoint: &Endpoint) -> Vec<Element> {
    match endpoint.rule() {
        Some(Rule::Endpoint(rules)) => elements::of_endpoint(&rules),
        _ => Vec::new(),
    }
}

/// Tells the firewall who is going to be where, before there is anybody.
fn guard(fabric: &Fabric, host: &Socket, connection: &Connection<'_>) -> Result<()> {
    let mut elements: Vec<Element> = connection.endpoints.iter().flat_map(endpoint_elements).collect();
    elements.extend(connection.ports.iter().filter_map(elements::of_port));
    if elements.is_empty() {
        return Ok(());
    }
    for rules in connection.endpoints.iter().filter_map(Endpoint::bridge_rules) {
        // One that is there and not written down is of a run root that was lost.
        if host.find_index(&rules.bridge)?.is_none() || !fabric.state().knows_bridge(&rules.bridge) {
            fabric.ensure(rules)?;
        }
    }
    crate::retired::make_way(fabric, connection.endpoints)?;
    let firewall = fabric.firewall()?;
    firewall.add(elements)?;
    crate::conntrack::forget(&firewall.socket, connection.ports)
}

/// Makes the interfaces. All are made by one batch; what was refused first decides what to do before the next try.
fn attach(
    fabric: &Fabric,
    host: &Socket,
    connection: &Connection<'_>,
    container: &Container<'_>,
) -> Result<()> {
    let endpoints = connection.endpoints;
    let mut places: HashMap<usize, Place> = HashMap::new();
    for attempt in 0..ATTEMPTS {
        let (batch, owners) = interfaces(fabric, host, connection, container, &mut places)?;
        let Some(refusal) = host.send(batch)?.into_iter().next() else {
            return places.into_values().try_for_each(|place| place.remember(fabric.state()));
        };
        remove_host_ends(host, endpoints)?;
        let owner = owners[refusal.index];
        let endpoint = &endpoints[owner];
        match (refusal.errno, endpoint.bridge_rules()) {
            (Errno::EXIST, None) if attempt == 0 => container.remove_macvlans(endpoints)?,
            // A predecessor's host end, which took its other end along.
            (Errno::EXIST, Some(_)) if attempt == 0 => {}
            (Errno::XFULL, Some(rules)) => {
                let place = places.remove(&owner).unwrap_or_else(|| Place::first(endpoint));
                places.insert(owner, place.next(fabric, host, rules)?);
            }
            (Errno::NODEV, Some(rules)) if attempt < 4 => {
                fabric.ensure(rules)?;
                places.remove(&owner);
            }
            _ => return Err(refusal.into()),
        }
    }
    Err(Error::Contended("the host's interfaces".into()))
}

/// Builds the batch of the host's side, and tells which message is about which endpoint.
fn interfaces(
    fabric: &Fabric,
    host: &Socket,
    connection: &Connection<'_>,
    container: &Container<'_>,
    places: &mut HashMap<usize, Place>,
) -> Result<(Batch, Vec<usize>)> {
    let mut batch = Batch::new();
    let mut owners = Vec::new();
    for (number, endpoint) in connection.endpoints.iter().enumerate() {
        let inside = Inside {
            netns: container.netns(),
            name: &endpoint.interface,
            mac: endpoint.mac,
            mtu: endpoint.mtu,
        };
        match &endpoint.link {
            Link::Bridge { host_interface, rules } => {
                let place = match places.entry(number) {
                    Entry::Occupied(chosen) => chosen.into_mut(),
                    Entry::Vacant(none) => none.insert(Place::find(fabric, host, endpoint, rules)?),
                };
                let index = place.index(fabric, host, rules)?;
                new_pair(&mut batch, host_interface, index, &inside);
                let flags = port_flags(endpoint, rules, connection.ports);
                start_port(&mut batch, host_interface, endpoint.mtu, flags);
            }
            Link::Macvlan { parent, mode } => {
                let index = host.find_index(parent)?.ok_or_else(|| Error::ParentMissing {
                    network: endpoint.network.clone(),
                    parent: parent.clone(),
                })?;
                new_macvlan(&mut batch, index, *mode, &inside);
            }
        }
        owners.resize(batch.len(), number);
    }
    Ok((batch, owners))
}

/// Returns when frames reach the container, and leave it: over its port, and over the bridge, which carries none before
/// its first port does.
fn settle(host: &Socket, endpoints: &[Endpoint]) -> Result<()> {
    for endpoint in endpoints {
        if let Link::Bridge { host_interface, rules } = &endpoint.link {
            await_carrier(host, host_interface)?;
            await_carrier(host, &rules.bridge)?;
        }
    }
    Ok(())
}

/// Decides about a port. With br_netfilter a frame to the container's own published port is sent on by the bridge, and
/// comes back through the port it came from; others need no echo of their broadcasts.
///
/// With br_netfilter, containers that are kept apart do not reach each other's published ports either: the bridge sends
/// those frames on by itself, and an isolated port takes none from another. From elsewhere they are reached.
pub(crate) fn port_flags(endpoint: &Endpoint, rules: &BridgeRules, ports: &[PortRule]) -> PortFlags {
    let publishes = ports
        .iter()
        .any(|port| endpoint.addresses.iter().any(|address| address.address == port.container.ip()));
    PortFlags { hairpin: publishes, isolated: !rules.between }
}

fn remove_host_ends(host: &Socket, endpoints: &[Endpoint]) -> Result<()> {
    let mut batch = Batch::new();
    for endpoint in endpoints {
        if let Link::Bridge { host_interface, .. } = &endpoint.link {
            delete_link(&mut batch, host_interface);
        }
    }
    match host.send(batch)?.into_iter().find(|refusal| refusal.errno != Errno::NODEV) {
        Some(refusal) => Err(refusal.into()),
        None => Ok(()),
    }
}
