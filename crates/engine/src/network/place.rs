//! A container's place in its networks: addresses, names and ports, claimed before it starts.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use network::{Endpoint, Fabric, Link, Mac, Marker, Pool, PortRule, State, host_interface};
use supervisor::NetworkJob;
use supervisor::resolver::ResolverConfig;

use super::record::{Driver, NetworkRecord};
use super::{publish, shelf, subnets};
use crate::container::{ContainerRecord, is_held};
use crate::error::{Error, Result};
use crate::paths::Engine;
use crate::request::EndpointRequest;

/// The host's list of resolvers.
const HOST_RESOLVERS: &str = "/etc/resolv.conf";

/// Everything that a start takes from its networks.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) endpoints: Vec<Endpoint>,
    ports: Vec<PortRule>,
    /// The sockets that hold the ports, in their order.
    sockets: Vec<OwnedFd>,
    /// Whether the resolver inside answers, for names or because the host's resolvers cannot be reached from inside.
    pub(crate) resolver: bool,
    /// Where containers reach the host.
    pub(crate) host_gateway: Option<IpAddr>,
}

/// Claims addresses, names and ports for a container that is about to start; nothing where it has no networks of its
/// own. The caller holds the container's lock. On failure nothing stays claimed.
pub(crate) fn take(engine: &Engine, record: &ContainerRecord) -> Result<Option<Place>> {
    let asked = shelf::asked(&record.request.namespaces.network);
    if asked.is_empty() {
        return Ok(None);
    }
    let state = State::new(engine.run_root());
    // What a killed start has left.
    state.release_all(&record.id)?;
    let taken = try_take(engine, record, &asked);
    if taken.is_err() {
        let _ = state.release_all(&record.id);
    }
    taken.map(Some)
}

fn try_take(engine: &Engine, record: &ContainerRecord, asked: &[EndpointRequest]) -> Result<Place> {
    let mut networks = Vec::new();
    for asked in asked {
        networks.push(ready(engine, &asked.network)?);
    }
    let shared = shelf::shared(engine)?;
    for network in &mut networks {
        *network = shelf::again(engine, network)?;
    }
    let mut endpoints = Vec::new();
    for (asked, network) in asked.iter().zip(&networks) {
        let interface = interface_name(network, endpoints.len());
        endpoints.push(claim(engine, record, network, asked, interface)?);
    }
    route(&mut endpoints, &networks);
    let state = State::new(engine.run_root());
    for endpoint in &endpoints {
        state.publish(endpoint)?;
    }
    drop(shared);
    let held = publish::hold(engine, record, &endpoints, &networks)?;
    let ports: Vec<PortRule> = held.iter().map(|port| port.rule).collect();
    if !ports.is_empty() {
        state.publish_ports(&record.id, &ports)?;
    }
    let names = networks.iter().any(NetworkRecord::serves_names);
    let resolver = names || record.request.dns.is_empty() && !crate::container::has_reachable_resolver();
    let gateway = networks.iter().find_map(|network| network.subnet(true)?.gateway);
    Ok(Place {
        endpoints,
        ports,
        sockets: held.into_iter().map(|port| port.socket).collect(),
        resolver,
        host_gateway: gateway,
    })
}

/// Finds a network as it may be used now: subnets that the engine chose and the host has come to need are replaced,
/// while nothing is on the network.
pub(super) fn ready(engine: &Engine, word: &str) -> Result<NetworkRecord> {
    let network = shelf::find(engine, word)?;
    let Some(rules) = network.bridge_rules() else { return Ok(network) };
    if network::has_interface(&rules.bridge) {
        return Ok(network);
    }
    let _alone = shelf::alone(engine)?;
    let mut network = shelf::find(engine, &network.name)?;
    let occupied = subnets::occupied(&shelf::known(engine)?, Some(&network), Some(&rules.bridge))?;
    let in_the_way = |network: &NetworkRecord| {
        network
            .subnets
            .iter()
            .find_map(|subnet| Some((subnet.subnet, subnets::overlap(subnet.subnet, &occupied)?.to_owned())))
    };
    let Some((subnet, words)) = in_the_way(&network) else { return Ok(network) };
    if !network.chosen || !shelf::users(engine, &network.id)?.is_empty() {
        return Err(Error::conflict(format!(
            "network {}: its subnet {subnet} overlaps {words}",
            network.name
        ))
        .hint("remove that route, or make the network anew with another --subnet"));
    }
    let builtin = network.is_builtin();
    for subnet in &mut network.subnets {
        *subnet = match subnet.subnet.is_ipv4() {
            true if builtin => subnets::choose_default(engine, &shelf::known(engine)?)?,
            true => subnets::choose_ipv4(engine, &occupied)?,
            false => subnets::choose_ipv6(&occupied)?,
        };
    }
    shelf::save(engine, &network)?;
    Ok(network)
}

pub(super) fn interface_name(network: &NetworkRecord, number: usize) -> String {
    let prefix = match &network.driver {
        Driver::Bridge { prefix, .. } => prefix.as_str(),
        _ => "eth",
    };
    format!("{prefix}{number}")
}

/// Claims one container's addresses on one network. Marked before anything is claimed, so that a kill leaves nothing
/// that cannot be found.
pub(super) fn claim(
    engine: &Engine,
    record: &ContainerRecord,
    network: &NetworkRecord,
    asked: &EndpointRequest,
    interface: String,
) -> Result<Endpoint> {
    shelf::check(network, asked)?;
    let state = State::new(engine.run_root());
    let marker = Marker { names: network.serves_names(), internal: network.internal };
    state.mark(&record.id, &network.id, marker)?;
    let mut addresses = Vec::new();
    for subnet in &network.subnets {
        let wanted = match subnet.subnet.is_ipv4() {
            true => asked.ipv4.map(IpAddr::from),
            false => asked.ipv6.map(IpAddr::from),
        };
        let reserved: Vec<IpAddr> =
            subnet.gateway.into_iter().chain(subnet.reserved.values().copied()).collect();
        let pool = Pool {
            network: &network.name,
            network_id: &network.id,
            subnet: subnet.subnet,
            range: subnet.range,
            reserved: &reserved,
        };
        let claimed = match pool.claim(&state, wanted, &record.id) {
            Err(network::Error::AddressTaken { .. } | network::Error::Exhausted { .. }) => {
                free_the_dead(engine)?;
                pool.claim(&state, wanted, &record.id)
            }
            other => other,
        };
        addresses.push(claimed.map_err(|error| named(engine, error))?);
    }
    let ipv4 = addresses.iter().find_map(|cidr| match cidr.address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    });
    let mac = asked.mac.or(ipv4.map(Mac::of_ipv4)).unwrap_or(Mac([2, 0x42, 0, 0, 0, 1]));
    Ok(Endpoint {
        container_id: record.id.clone(),
        network_id: network.id.clone(),
        network: network.name.clone(),
        // Nobody would answer them elsewhere.
        names: if network.serves_names() { names(record, asked) } else { Vec::new() },
        link: link(record, network),
        interface,
        mac,
        addresses,
        gateways: Vec::new(),
        mtu: match &network.driver {
            Driver::Bridge { mtu, .. } | Driver::Macvlan { mtu, .. } => *mtu,
            Driver::Host | Driver::Null => None,
        },
    })
}

/// Names that lead to a container: its own first, then aliases, short id and host name.
pub(super) fn names(record: &ContainerRecord, asked: &EndpointRequest) -> Vec<String> {
    let own = [record.name.as_str()];
    let rest = [record.short_id()].into_iter().chain(record.request.hostname.as_deref());
    let mut names: Vec<String> = Vec::new();
    for name in own.into_iter().chain(asked.aliases.iter().map(String::as_str)).chain(rest) {
        let name = name.to_ascii_lowercase();
        if !names.contains(&name) && !name.contains('/') && !name.is_empty() {
            names.push(name);
        }
    }
    names
}

fn link(record: &ContainerRecord, network: &NetworkRecord) -> Link {
    match (&network.driver, network.bridge_rules()) {
        (Driver::Macvlan { parent, mode, .. }, _) => Link::Macvlan { parent: parent.clone(), mode: *mode },
        (_, rules) => Link::Bridge {
            host_interface: host_interface(&record.id, &network.id),
            rules: rules.unwrap_or_else(|| network::BridgeRules {
                bridge: String::new(),
                internal: true,
                between: false,
                masquerade: false,
                subnets: Vec::new(),
            }),
        },
    }
}

/// Gives the default routes to the first network that leads anywhere, each family by itself.
pub(super) fn route(endpoints: &mut [Endpoint], networks: &[NetworkRecord]) {
    endpoints.iter_mut().for_each(|endpoint| endpoint.gateways.clear());
    for ipv4 in [true, false] {
        let gateway = |endpoint: &Endpoint| {
            let network = networks.iter().find(|network| network.id == endpoint.network_id)?;
            if network.internal { None } else { network.subnet(ipv4)?.gateway }
        };
        if let Some((endpoint, gateway)) =
            endpoints.iter_mut().find_map(|endpoint| gateway(endpoint).map(|gateway| (endpoint, gateway)))
        {
            endpoint.gateways.push(gateway);
        }
    }
}

/// Takes back what containers hold that neither run nor start: their end was seen by nobody.
pub(super) fn free_the_dead(engine: &Engine) -> Result<()> {
    let state = State::new(engine.run_root());
    let owners: std::collections::BTreeSet<String> =
        state.held()?.into_iter().map(|(_, owner)| owner).collect();
    for owner in owners {
        if !is_held(engine, &owner)? {
            let ports = state.ports_of(&owner)?;
            let _ = Fabric::new(engine.run_root()).disconnect(&state.endpoints_of(&owner)?, &ports);
            state.release_all(&owner)?;
        }
    }
    Ok(())
}

/// Says the name of a container where the error knows its id.
pub(super) fn named(engine: &Engine, error: network::Error) -> Error {
    let name = |text: &str| match crate::container::name_of(engine, text) {
        Some(name) => name,
        None => text.to_owned(),
    };
    match error {
        network::Error::AddressTaken { address, owner } => {
            network::Error::AddressTaken { address, owner: name(&owner) }.into()
        }
        network::Error::PortTaken { protocol, address, holder } => {
            let id = holder.split('`').nth(1).unwrap_or_default().to_owned();
            let holder = if id.is_empty() { holder } else { holder.replace(&id, &name(&id)) };
            network::Error::PortTaken { protocol, address, holder }.into()
        }
        other => other.into(),
    }
}

/// How names are resolved for a container.
pub(crate) fn resolver_of(engine: &Engine, record: &ContainerRecord) -> ResolverConfig {
    ResolverConfig {
        container: record.id.clone(),
        run_root: engine.run_root().to_owned(),
        upstreams: record.request.dns.clone(),
        host_file: PathBuf::from(HOST_RESOLVERS),
    }
}

impl Place {
    /// What the guardian gets: the words, and the sockets that hold the ports.
    pub(crate) fn job(self, engine: &Engine, record: &ContainerRecord) -> (NetworkJob, Vec<OwnedFd>) {
        let resolver = resolver_of(engine, record);
        let job = NetworkJob {
            run_root: engine.run_root().to_owned(),
            endpoints: self.endpoints,
            ports: self.ports,
            resolver,
            names: self.resolver,
        };
        (job, self.sockets)
    }
}

/// Returns what is published of a container that runs, as `ps` shows it.
pub(crate) fn told(ports: &[PortRule], exposed: &[(u16, network::Protocol)]) -> String {
    publish::told(ports, exposed)
}
