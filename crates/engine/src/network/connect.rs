//! `network connect`: a further network for a container, at once where it runs.

use std::os::fd::AsFd;

use network::{Connection, Endpoint, Fabric, State};
use supervisor::Client;

use super::record::NetworkRecord;
use super::{place, shelf};
use crate::container::{self, ContainerRecord, RunningContainer};
use crate::error::{Doing, Error, Result};
use crate::paths::Engine;
use crate::request::{ConnectRequest, EndpointRequest, NetworkMode};

/// Puts a container on a further network, at once where it runs.
pub fn connect(engine: &Engine, request: &ConnectRequest) -> Result<()> {
    let network = shelf::find(engine, &request.endpoint.network)?;
    shelf::check(&network, &request.endpoint)?;
    container::amend(engine, &request.container, |record, running| {
        let mut asked = may_join(record)?;
        for other in &asked {
            if shelf::find(engine, &other.network).is_ok_and(|other| other.id == network.id) {
                return Err(Error::new(
                    oci::class::Class::AlreadyExists,
                    format!("endpoint with name {} already exists in network {}", record.name, network.name),
                ));
            }
        }
        let endpoint = EndpointRequest { network: network.name.clone(), ..request.endpoint.clone() };
        if let Some(running) = running {
            join(engine, record, &endpoint, running).doing(|| {
                format!("cannot connect container `{}` to network `{}`", record.name, network.name)
            })?;
            network.tell_of(engine, &record.id, "connect");
        }
        asked.push(endpoint);
        record.request.namespaces.network = NetworkMode::Networks(asked);
        Ok(())
    })
}

/// Returns what a container asked of its networks, if it may have more of them.
fn may_join(record: &ContainerRecord) -> Result<Vec<EndpointRequest>> {
    match &record.request.namespaces.network {
        NetworkMode::Host | NetworkMode::Container(_) => Err(Error::conflict(
            "container sharing network namespace with another container or host cannot be connected to any \
             other network",
        )
        .hint("create it anew with --network")),
        NetworkMode::None => Err(Error::conflict(
            "container cannot be connected to multiple networks with one of the networks in private (none) mode",
        )
        .hint("create it anew with --network")),
        mode => Ok(shelf::asked(mode)),
    }
}

fn join(
    engine: &Engine,
    record: &ContainerRecord,
    asked: &EndpointRequest,
    running: &RunningContainer,
) -> Result<()> {
    let network = place::ready(engine, &asked.network)?;
    let state = State::new(engine.run_root());
    let joined = (|| {
        let _shared = shelf::shared(engine)?;
        let network = shelf::again(engine, &network)?;
        let present = state.endpoints_of(&record.id)?;
        let mut endpoint = place::claim(engine, record, &network, asked, next_interface(&network, &present))?;
        endpoint.gateways = missing_gateways(&network, &present);
        state.publish(&endpoint)?;
        let connection = Connection { endpoints: &[endpoint.clone()], ports: &[], resolver_port: None };
        Fabric::new(engine.run_root()).connect(&connection, running.pidfd.as_fd())?;
        if network.serves_names() && !running.answers_names() {
            answer_names(engine, record, running)?;
        }
        container::write_hosts(engine, record, &state.endpoints_of(&record.id)?)
    })();
    // One that has ended meanwhile has given its places back already.
    if joined.is_err() || !running.is_alive() {
        let endpoints: Vec<Endpoint> = state.endpoint(&network.id, &record.id)?.into_iter().collect();
        let fabric = Fabric::new(engine.run_root());
        let _ = fabric.disconnect(&endpoints, &[]);
        let _ = state.release(&network.id, &record.id);
    }
    joined
}

/// Has a container's supervisor answer for names, which nobody needed before, and leads the container's questions there.
fn answer_names(engine: &Engine, record: &ContainerRecord, running: &RunningContainer) -> Result<()> {
    let port =
        Client::connect(&engine.run_dir(&record.id)).and_then(|mut supervisor| supervisor.answer_names())?;
    let connection = Connection { endpoints: &[], ports: &[], resolver_port: Some(port) };
    Fabric::new(engine.run_root()).connect(&connection, running.pidfd.as_fd())?;
    container::write_resolver(engine, record)
}

/// Interfaces inside are counted on; places that were left are not taken again.
fn next_interface(network: &NetworkRecord, present: &[Endpoint]) -> String {
    let number = |endpoint: &Endpoint| {
        let digits = endpoint.interface.trim_start_matches(|c: char| !c.is_ascii_digit());
        digits.parse::<usize>().ok()
    };
    let next = present.iter().filter_map(number).max().map_or(0, |last| last + 1);
    place::interface_name(network, next)
}

/// A container that has no way out yet gets it through its new network.
fn missing_gateways(network: &NetworkRecord, present: &[Endpoint]) -> Vec<std::net::IpAddr> {
    if network.internal {
        return Vec::new();
    }
    let has = |ipv4: bool| {
        present.iter().flat_map(|endpoint| &endpoint.gateways).any(|gateway| gateway.is_ipv4() == ipv4)
    };
    [true, false]
        .into_iter()
        .filter(|ipv4| !has(*ipv4))
        .filter_map(|ipv4| network.subnet(ipv4)?.gateway)
        .collect()
}
