//! `port`: which ports of the host lead to a container, and by which rules.

use network::{Fabric, PortRule, State};

use super::find::find;
use crate::error::Result;
use crate::paths::Engine;
use crate::request::PortRequest;
use crate::request::view::PublishedPort;

/// Lists the published ports of a container.
pub fn ports(engine: &Engine, request: &PortRequest) -> Result<Vec<PublishedPort>> {
    let published = rules(engine, request)?.into_iter().map(|rule| PublishedPort {
        protocol: rule.protocol,
        container: rule.container.port(),
        host: rule.host,
    });
    Ok(published.collect())
}

/// Tells, a line each, by which rules packets get to the published ports of a container, and what could stop them.
pub fn explain_ports(engine: &Engine, request: &PortRequest) -> Result<Vec<String>> {
    let fabric = Fabric::new(engine.run_root());
    let mut lines = Vec::new();
    for rule in rules(engine, request)? {
        lines.push(format!("{}/{} -> {}", rule.container.port(), rule.protocol, rule.host));
        match rule.is_led() {
            true => lines.extend(fabric.explain(&rule)?.into_iter().map(|line| format!("  {line}"))),
            false => lines.push(format!(
                "  the container's supervisor listens there and passes connections on to {}",
                rule.container
            )),
        }
        if rule.through_host {
            lines.push("  firewall=host: the host's own INPUT rules decide who reaches it".into());
        }
    }
    Ok(lines)
}

fn rules(engine: &Engine, request: &PortRequest) -> Result<Vec<PortRule>> {
    let container = find(engine, &request.container)?;
    let mut rules = match container.is_running() {
        true => State::new(engine.run_root()).ports_of(&container.record.id)?,
        false => Vec::new(),
    };
    rules.sort_by_key(|rule| (rule.container.port(), rule.protocol, rule.host));
    let Some((port, protocol)) = request.port else { return Ok(rules) };
    rules.retain(|rule| (rule.container.port(), rule.protocol) == (port, protocol));
    Ok(rules)
}
