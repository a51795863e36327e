//! Carries commands about networks and ports out.

use engine::request::{PortRequest, PruneRequest};
use engine::{Engine, container, network};

use super::{clock, confirmed, each, failure, show, show_formatted, show_objects};
use crate::commands::NetworkCommand;
use crate::error::Failure;
use crate::print;

pub(super) fn execute(engine: &Engine, command: NetworkCommand) -> Result<u8, Failure> {
    match command {
        NetworkCommand::Connect(request) => {
            network::connect(engine, &request).map_err(|error| failure(&error, 1))?;
            Ok(0)
        }
        NetworkCommand::Create(request) => {
            let id = network::create(engine, &request).map_err(|error| failure(&error, 1))?;
            show(&format!("{id}\n"))
        }
        NetworkCommand::Disconnect(request) => {
            network::disconnect(engine, &request).map_err(|error| failure(&error, 1))?;
            Ok(0)
        }
        NetworkCommand::Inspect(words, format) => {
            let objects = words.into_iter().map(|word| {
                let object = network::inspect(engine, &word);
                (word, object)
            });
            show_objects(objects.collect(), &format)
        }
        NetworkCommand::List(request, view) => {
            let rows = network::list(engine, &request).map_err(|error| failure(&error, 1))?;
            show_formatted(print::networks(&rows, &view, &clock()))
        }
        NetworkCommand::Prune { request, ask } => prune(engine, &request, ask),
        NetworkCommand::Remove(request) => each(network::remove(engine, &request)),
    }
}

fn prune(engine: &Engine, request: &PruneRequest, ask: bool) -> Result<u8, Failure> {
    if ask && !confirmed("This will remove all custom networks not used by at least one container.") {
        return Err(Failure::new(1, "network prune has been cancelled"));
    }
    let names = network::prune(engine, request).map_err(|error| failure(&error, 1))?;
    show(&print::pruned_networks(&names))
}

/// Shows the published ports of a container, or why they are reached.
pub(super) fn port(engine: &Engine, request: &PortRequest, why: bool) -> Result<u8, Failure> {
    if why {
        let lines = container::explain_ports(engine, request).map_err(|error| failure(&error, 1))?;
        return show(&lines.iter().map(|line| format!("{line}\n")).collect::<String>());
    }
    let ports = container::ports(engine, request).map_err(|error| failure(&error, 1))?;
    let container = &request.container;
    match request.port {
        Some((port, protocol)) if ports.is_empty() => {
            let text = format!("no public port '{port}/{protocol}' published for {container}");
            Err(Failure::new(1, text).hint(format!("see those that are: 'coracle port {container}'")))
        }
        _ => show(&print::ports(&ports, request.port.is_none())),
    }
}
