//! `ps`: what containers there are. Takes no lock; a container that comes or goes meanwhile is shown or not.

use std::path::Path;

use image::Snapshots;
use network::State;
use supervisor::health::HealthStatus;

use super::census::{Scope, each};
use super::find::{Container, Life, find};
use super::placement::Placed;
use super::record::ContainerRecord;
use crate::error::Result;
use crate::paths::Engine;
use crate::pattern::{self, Pattern};
use crate::request::view::{ContainerRow, ContainerSize, ContainerState};
use crate::request::{ExposedPorts, HealthFilter, NetworkMode, PsRequest, StateFilter};

/// Where the warden writes what it cannot mend, below the run root.
const NETWORK_FAULT: &str = "networks.fault";
/// Which process the warden is.
const WARDEN: &str = "warden";

/// Lists containers, the newest first.
pub fn list(engine: &Engine, request: &PsRequest) -> Result<Vec<ContainerRow>> {
    let bound = |word: &Option<String>| -> Result<Option<i64>> {
        word.as_ref().map(|word| Ok(find(engine, word)?.record.created)).transpose()
    };
    let (before, since) = (bound(&request.before)?, bound(&request.since)?);
    let mut ancestors = Vec::new();
    for word in &request.ancestors {
        ancestors.push(
            crate::image::open(engine)?
                .resolve(word)
                .map_or_else(|_| word.clone(), |image| image.id.to_string()),
        );
    }
    let names = pattern::of_names(&request.names)?;
    let shows_stopped =
        request.all || request.last.is_some() || !request.states.is_empty() || !request.exited.is_empty();
    let fault = network_fault(engine);
    let scope = if shows_stopped { Scope::All } else { Scope::Running };
    let mut rows = each(engine, scope, |container| {
        let created = container.record.created;
        let wanted = before.is_none_or(|before| created < before)
            && since.is_none_or(|since| created > since)
            && matches_filters(&container, request, &ancestors)
            && (names.is_empty() || names.iter().any(|pattern| is_named(&container, pattern)))
            && matches_networks(engine, &container, request)?;
        if !wanted {
            return Ok(None);
        }
        let mut row = row(engine, container)?;
        row.degraded = fault.clone().filter(|_| row.is_on_a_bridge());
        Ok(Some((created, row)))
    })?;
    rows.sort_unstable_by_key(|(created, _)| std::cmp::Reverse(*created));
    let mut rows: Vec<ContainerRow> = rows.into_iter().map(|(_, row)| row).collect();
    if let Some(last) = request.last {
        rows.truncate(last);
    }
    let mut origins = crate::image::Origins::default();
    for row in &mut rows {
        let origin = origins.of(engine, &row.image, &row.image_id);
        if origin.moved {
            // As with Docker, whose name leads elsewhere is shown by its id.
            row.image.clone_from(&row.image_id);
        }
        (row.digest, row.tag_moved) = (origin.digest, origin.moved);
        if request.size {
            row.size = size(engine, &row.id)?;
        }
        if request.platform {
            row.platform = platform(engine, &row.id)?;
        }
    }
    Ok(rows)
}

/// Returns what a container's image is for; nothing where either has gone meanwhile.
fn platform(engine: &Engine, id: &str) -> Result<Option<String>> {
    let Some(container) = Container::load(engine, id)? else { return Ok(None) };
    let image = crate::image::open(engine)?.resolve(&container.record.image_id);
    Ok(image.ok().map(|image| {
        let oci::image::Platform { os, architecture, variant, .. } = image.platform;
        let parts = [Some(os), Some(architecture), variant].into_iter().flatten();
        parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
    }))
}

/// Measures a container on disk; nothing where it has gone meanwhile.
pub(crate) fn size(engine: &Engine, id: &str) -> Result<Option<ContainerSize>> {
    let Some(container) = Container::load(engine, id)? else { return Ok(None) };
    let images = crate::image::open(engine)?;
    let writable = match images.usage(id) {
        Ok(usage) => usage.size,
        Err(error) if error.class() == oci::class::Class::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // An image that was removed by force is counted as nothing.
    let image = images.resolve(&container.record.image_id).map_or(0, |image| image.size);
    Ok(Some(ContainerSize { writable, total: writable + image }))
}

fn matches_filters(container: &Container, request: &PsRequest, ancestors: &[String]) -> bool {
    let record = &container.record;
    let any = |list: &[String], test: &dyn Fn(&String) -> bool| list.is_empty() || list.iter().any(test);
    any(&request.ids, &|id| record.id.starts_with(id.as_str()))
        // Nobody is a task of a swarm.
        && !request.tasks.contains(&true)
        && any(&request.volumes, &|volume| has_volume(container, volume))
        && any(ancestors, &|image| record.image_id == *image)
        && request.labels.iter().all(|label| label.is_among(&record.labels))
        && (request.states.is_empty() || request.states.iter().any(|state| is_in(container, *state)))
        && (request.healths.is_empty() || request.healths.contains(&health(container)))
        && (request.exited.is_empty()
            || (matches!(container.state(), Life::Exited | Life::Lost)
                && request.exited.contains(&container.exit_code().into())))
}

/// Docker's names begin with a slash, and patterns may say so.
fn is_named(container: &Container, pattern: &Pattern) -> bool {
    let name = &container.record.name;
    pattern.is_in(name) || pattern.is_in(&format!("/{name}"))
}

fn health(container: &Container) -> HealthFilter {
    match container.status.as_ref().and_then(|status| status.health) {
        None => HealthFilter::None,
        Some(HealthStatus::Starting) => HealthFilter::Starting,
        Some(HealthStatus::Healthy) => HealthFilter::Healthy,
        Some(HealthStatus::Unhealthy) => HealthFilter::Unhealthy,
    }
}

/// Whether a container is on one of the networks, and publishes and serves one of the ports, that are asked for.
fn matches_networks(engine: &Engine, container: &Container, request: &PsRequest) -> Result<bool> {
    let record = &container.record;
    let on = |wanted: &String| crate::network::is_on(engine, record, wanted);
    if !request.networks.is_empty() && !request.networks.iter().any(on) {
        return Ok(false);
    }
    let among = |asked: &[ExposedPorts], ports: &[(u16, network::Protocol)]| {
        asked.is_empty()
            || asked.iter().any(|asked| {
                ports.iter().any(|(port, protocol)| {
                    (asked.ports.first..=asked.ports.last).contains(port) && asked.protocol == *protocol
                })
            })
    };
    if !among(&request.expose, &crate::network::exposed(record)) {
        return Ok(false);
    }
    if request.publish.is_empty() {
        return Ok(true);
    }
    let published = State::new(engine.run_root()).ports_of(&record.id)?;
    let published: Vec<_> = published.iter().map(|rule| (rule.container.port(), rule.protocol)).collect();
    Ok(container.is_running() && among(&request.publish, &published))
}

/// What `ps` shows of a mount: the name of a volume, the path of a bind, the name of an image.
fn source_of(mount: &Placed) -> Option<String> {
    match mount {
        Placed::Volume(volume) => Some(volume.name.clone()),
        Placed::Bind(bind) => Some(bind.source.display().to_string()),
        Placed::Image(image) => Some(image.image.clone()),
        Placed::Tmpfs(_) => None,
    }
}

/// Whether a container has a volume of this name, or anything at this place.
fn has_volume(container: &Container, wanted: &str) -> bool {
    let named = |mount: &Placed| source_of(mount).is_some_and(|source| source == wanted);
    let placed = container.record.placed();
    placed.iter().any(|mount| named(mount) || mount.target() == Path::new(wanted))
}

fn is_in(container: &Container, state: StateFilter) -> bool {
    match state {
        StateFilter::Created => container.state() == Life::Created,
        StateFilter::Running => container.state() == Life::Running,
        StateFilter::Paused => container.state() == Life::Paused,
        StateFilter::Exited => matches!(container.state(), Life::Exited | Life::Lost),
        StateFilter::Restarting => container.state() == Life::Restarting,
        StateFilter::Removing | StateFilter::Dead => false,
    }
}

const SECOND: i64 = 1_000_000_000;

fn row(engine: &Engine, container: Container) -> Result<ContainerRow> {
    let state = match (container.state(), &container.status) {
        (Life::Running, Some(status)) => ContainerState::Running { since: status.started / SECOND },
        (Life::Paused, Some(status)) => ContainerState::Paused { since: status.started / SECOND },
        (Life::Exited, Some(status)) => {
            ContainerState::Exited { code: status.exit_code.into(), at: status.finished / SECOND }
        }
        (Life::Restarting, Some(status)) => {
            ContainerState::Restarting { code: status.exit_code.into(), since: status.finished / SECOND }
        }
        // Nobody saw the end; 255 is what Docker shows after a crash.
        (Life::Lost, Some(status)) => {
            ContainerState::Exited { code: container.exit_code().into(), at: status.started / SECOND }
        }
        _ => ContainerState::Created,
    };
    let alive = container.is_running();
    let health = container.status.as_ref().and_then(|status| status.health).filter(|_| alive);
    let record = container.record;
    let placed = record.placed();
    let local_volumes = placed.iter().filter(|mount| matches!(mount, Placed::Volume(_))).count();
    let mounts = placed.iter().filter_map(source_of).collect();
    let networks = networks(&record.request.namespaces.network);
    let ports = if alive { ports(engine, &record)? } else { String::new() };
    Ok(ContainerRow {
        names: vec![record.name],
        image: record.request.image.clone(),
        image_id: record.image_id,
        digest: None,
        tag_moved: false,
        command: record.args,
        created: record.created / SECOND,
        state,
        labels: record.labels,
        local_volumes,
        mounts,
        networks,
        ports,
        size: None,
        platform: None,
        health: health.map(HealthStatus::word),
        degraded: None,
        id: record.id,
    })
}

/// What the warden could not mend of the networks; a file that it has left behind says nothing.
fn network_fault(engine: &Engine) -> Option<String> {
    let text = sys::fs::read_to_string(engine.run_root().join(NETWORK_FAULT)).ok()?;
    let warden = sys::fs::read_to_string(engine.run_root().join(WARDEN)).ok()?;
    let (pid, ticks) = warden.trim().split_once(' ')?;
    let facts = supervisor::status::process_facts(pid.parse().ok()?)?;
    let lives = !facts.dead && ticks.parse() == Ok(facts.start_ticks);
    // "WHAT" or "WHAT<tab>REMEDY", a line each.
    let first = text.lines().next().filter(|_| lives)?;
    Some(first.split('\t').next().unwrap_or(first).to_owned())
}

/// Names of the networks that were asked for.
fn networks(mode: &NetworkMode) -> Vec<String> {
    match mode {
        NetworkMode::Networks(list) => list.iter().map(|asked| asked.network.clone()).collect(),
        other => vec![super::inspect::network_mode(other)],
    }
}

/// What is published and what is only served; with the host's network there is nothing to publish.
fn ports(engine: &Engine, record: &ContainerRecord) -> Result<String> {
    if !record.request.namespaces.network.is_private() {
        return Ok(String::new());
    }
    let published = match record.request.publish.is_empty() && !record.request.publish_all {
        true => Vec::new(),
        false => State::new(engine.run_root()).ports_of(&record.id)?,
    };
    Ok(crate::network::told(&published, &crate::network::exposed(record)))
}
