//! `network disconnect`: one network less for a container, at once where it runs.

use std::os::fd::AsFd;

use network::{Connection, Endpoint, Fabric, PortRule, State};

use super::record::NetworkRecord;
use super::{place, shelf};
use crate::container::{self, ContainerRecord, RunningContainer};
use crate::error::{Doing, Error, Result};
use crate::paths::Engine;
use crate::request::{DisconnectRequest, NetworkMode};

/// Takes a container off a network, at once where it runs.
pub fn disconnect(engine: &Engine, request: &DisconnectRequest) -> Result<()> {
    let network = shelf::find(engine, &request.network)?;
    let outcome = container::amend(engine, &request.container, |record, running| {
        let mut asked = shelf::asked(&record.request.namespaces.network);
        let before = asked.len();
        asked
            .retain(|other| shelf::find(engine, &other.network).map_or(true, |other| other.id != network.id));
        if asked.len() == before {
            return Err(Error::conflict(format!(
                "container {} is not connected to network {}",
                record.name, network.name
            )));
        }
        if let Some(running) = running {
            leave(engine, record, &network, running).doing(|| {
                format!("cannot disconnect container `{}` from network `{}`", record.name, network.name)
            })?;
            network.tell_of(engine, &record.id, "disconnect");
        }
        // Also with none left: other than with `--network none` it may be connected again.
        record.request.namespaces.network = NetworkMode::Networks(asked);
        Ok(())
    });
    match outcome {
        // What a container that is gone still holds is nobody's.
        Err(error) if request.force && error.class() == oci::class::Class::NotFound => {
            place::free_the_dead(engine)
        }
        other => other,
    }
}

fn leave(
    engine: &Engine,
    record: &ContainerRecord,
    network: &NetworkRecord,
    running: &RunningContainer,
) -> Result<()> {
    let state = State::new(engine.run_root());
    let fabric = Fabric::new(engine.run_root());
    let Some(endpoint) = state.endpoint(&network.id, &record.id)? else { return Ok(()) };
    let mut rest = state.endpoints_of(&record.id)?;
    rest.retain(|other| other.network_id != network.id);
    let ports = state.ports_of(&record.id)?;
    let moved = move_ports(&ports, &endpoint, &rest);
    fabric.disconnect(std::slice::from_ref(&endpoint), &PortRule::led(&ports))?;
    if moved != ports {
        state.publish_ports(&record.id, &moved)?;
    }
    state.release(&network.id, &record.id)?;
    if !endpoint.gateways.is_empty() {
        reroute(engine, &mut rest, running)?;
    }
    let connection = Connection { endpoints: &[], ports: &PortRule::led(&moved), resolver_port: None };
    fabric.connect(&connection, running.pidfd.as_fd())?;
    container::write_hosts(engine, record, &rest)
}

/// Ports that led to the address that goes lead to one that stays; without any they lead nowhere, and stay held.
fn move_ports(ports: &[PortRule], gone: &Endpoint, rest: &[Endpoint]) -> Vec<PortRule> {
    let leads_to = |endpoint: &Endpoint, rule: &PortRule| {
        endpoint.addresses.iter().any(|cidr| cidr.address == rule.container.ip())
    };
    let other = |ipv4: bool| {
        rest.iter()
            .filter(|endpoint| endpoint.bridge_rules().is_some_and(|rules| !rules.internal))
            .flat_map(|endpoint| &endpoint.addresses)
            .find(|cidr| cidr.is_ipv4() == ipv4)
    };
    let moved = |rule: &PortRule| {
        if !leads_to(gone, rule) {
            return Some(*rule);
        }
        let address = other(rule.container.is_ipv4())?.address;
        Some(PortRule { container: (address, rule.container.port()).into(), ..*rule })
    };
    ports.iter().filter_map(moved).collect()
}

/// Gives the way out to a network that stays.
fn reroute(engine: &Engine, rest: &mut [Endpoint], running: &RunningContainer) -> Result<()> {
    let networks: Vec<NetworkRecord> =
        rest.iter().filter_map(|endpoint| shelf::find(engine, &endpoint.network).ok()).collect();
    let before: Vec<Endpoint> = rest.to_vec();
    place::route(rest, &networks);
    let state = State::new(engine.run_root());
    for (endpoint, before) in rest.iter().zip(&before) {
        if endpoint.gateways != before.gateways {
            state.publish(endpoint)?;
            Fabric::new(engine.run_root()).route(endpoint, running.pidfd.as_fd())?;
        }
    }
    Ok(())
}
