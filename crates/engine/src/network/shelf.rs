//! Where the records of networks stand: found by name or id, those of the engine's own made when they are asked for.

use std::collections::BTreeMap;
use std::path::PathBuf;

use network::State;
use store::{Durability, Lock};
use supervisor::status;
use sys::Dir;

use super::record::{Driver, NetworkRecord};
use super::{options, subnets};
use crate::container::{ContainerRecord, random_id};
use crate::error::{Error, Result};
use crate::paths::Engine;
use crate::request::{DEFAULT_NETWORK, EndpointRequest, NetworkMode};

/// Names of the networks that are always there.
pub(super) const BUILTIN: [&str; 3] = [DEFAULT_NETWORK, "host", "none"];
const LOCK: &str = ".lock";

fn directory(engine: &Engine) -> PathBuf {
    engine.root().join("networks")
}

pub(super) fn open(engine: &Engine) -> Result<Dir> {
    let path = directory(engine);
    match Dir::open(&path) {
        Err(error) if error.is_not_found() => {
            sys::fs::create_dir_all(&path)?;
            Ok(Dir::open(&path)?)
        }
        other => Ok(other?),
    }
}

/// Keeps networks from being made, changed and removed.
pub(super) fn alone(engine: &Engine) -> Result<Lock> {
    Ok(Lock::exclusive(open(engine)?, LOCK)?)
}

/// Keeps networks from being removed.
pub(super) fn shared(engine: &Engine) -> Result<Lock> {
    Ok(Lock::shared(open(engine)?, LOCK)?)
}

fn file(name: &str) -> String {
    format!("{name}.json")
}

/// Reads the network of exactly this name.
pub(super) fn load(engine: &Engine, name: &str) -> Result<Option<NetworkRecord>> {
    if !is_name(name) {
        return Ok(None);
    }
    match store::read_record(open(engine)?, &file(name)) {
        Ok(record) => Ok(Some(record)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Docker's rule for names, as short as a file name and a DNS label above it may be.
pub(super) fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    first && name.len() <= 200 && name.bytes().all(allowed)
}

pub(super) fn save(engine: &Engine, record: &NetworkRecord) -> Result<()> {
    Ok(store::write_record(open(engine)?, &file(&record.name), record, Durability::Synced)?)
}

pub(super) fn delete(engine: &Engine, record: &NetworkRecord) -> Result<()> {
    store::remove(open(engine)?, &file(&record.name), Durability::Synced)?;
    Ok(())
}

/// Reads all networks, by name; those of the engine's own first made where they are missing.
pub(crate) fn all(engine: &Engine) -> Result<Vec<NetworkRecord>> {
    for name in BUILTIN {
        builtin(engine, name)?;
    }
    known(engine)
}

/// Reads the networks that there are already.
pub(super) fn known(engine: &Engine) -> Result<Vec<NetworkRecord>> {
    let mut networks = Vec::new();
    for entry in open(engine)?.list(".")? {
        let name = entry.name.into_string().unwrap_or_default();
        let Some(name) = name.strip_suffix(".json") else { continue };
        networks.extend(load(engine, name)?);
    }
    networks.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(networks)
}

/// Reads a network anew, under a lock that keeps it: it may have been removed or changed since it was found.
pub(super) fn again(engine: &Engine, network: &NetworkRecord) -> Result<NetworkRecord> {
    let there = load(engine, &network.name)?.filter(|there| there.id == network.id);
    there.ok_or_else(|| super::not_found(&network.name))
}

/// Finds the network that a user's word means: a name, an id or the unique beginning of one.
pub(super) fn find(engine: &Engine, word: &str) -> Result<NetworkRecord> {
    let word = if word == "default" { DEFAULT_NETWORK } else { word };
    if BUILTIN.contains(&word) {
        return builtin(engine, word);
    }
    if let Some(record) = load(engine, word)? {
        return Ok(record);
    }
    let is_id = word.len() >= 2 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut matches = if is_id { known(engine)? } else { Vec::new() };
    matches.retain(|record| record.id.starts_with(word));
    match matches.len() {
        0 => Err(super::not_found(word)),
        1 => Ok(matches.remove(0)),
        several => Err(Error::invalid(format!("`{word}` begins the ids of {several} networks"))
            .hint("use more digits of the id")),
    }
}

/// Reads a network of the engine's own, or makes it.
fn builtin(engine: &Engine, name: &str) -> Result<NetworkRecord> {
    if let Some(record) = load(engine, name)? {
        return Ok(record);
    }
    let _alone = alone(engine)?;
    if let Some(record) = load(engine, name)? {
        return Ok(record);
    }
    let id = random_id()?;
    let (driver, subnets) = match name {
        "host" => (Driver::Host, Vec::new()),
        "none" => (Driver::Null, Vec::new()),
        _ => {
            let driver = options::bridge(&BTreeMap::new(), default_bridge(engine, &id))?;
            (driver, vec![subnets::choose_default(engine, &known(engine)?)?])
        }
    };
    let record = NetworkRecord {
        id,
        name: name.to_owned(),
        created: status::now(),
        driver,
        internal: false,
        ipv6: false,
        chosen: !subnets.is_empty(),
        subnets,
        options: BTreeMap::new(),
        labels: BTreeMap::new(),
    };
    save(engine, &record)?;
    Ok(record)
}

/// The default bridge of the machine's engine has a name that people know; others may stand beside it.
fn default_bridge(engine: &Engine, id: &str) -> String {
    let usual = engine.run_root() == std::path::Path::new("/run/coracle");
    if usual { "coracle0".to_owned() } else { bridge_name(id) }
}

/// Name of a bridge: what firewalls let through begins with `coracle`.
pub(super) fn bridge_name(id: &str) -> String {
    format!("coracle-{}", &id[..7])
}

/// Lists the ids of the containers that are on a network now.
pub(crate) fn users(engine: &Engine, network_id: &str) -> Result<Vec<String>> {
    let endpoints = State::new(engine.run_root()).endpoints(network_id)?;
    Ok(endpoints.into_iter().map(|endpoint| endpoint.container_id).collect())
}

/// Returns what a container asked of its networks; nothing where it has none of its own.
pub(super) fn asked(mode: &NetworkMode) -> Vec<EndpointRequest> {
    match mode {
        NetworkMode::Default => {
            vec![EndpointRequest { network: DEFAULT_NETWORK.to_owned(), ..EndpointRequest::default() }]
        }
        NetworkMode::Networks(list) => list.clone(),
        NetworkMode::None | NetworkMode::Host | NetworkMode::Container(_) => Vec::new(),
    }
}

/// Whether a container asked for a network, by its name or the beginning of its id.
pub(crate) fn is_on(engine: &Engine, record: &ContainerRecord, wanted: &str) -> bool {
    let mode = &record.request.namespaces.network;
    let plain = match mode {
        NetworkMode::Host => "host",
        NetworkMode::None => "none",
        _ => "",
    };
    let names = |asked: &EndpointRequest| {
        asked.network == wanted
            || find(engine, &asked.network)
                .is_ok_and(|network| network.name == wanted || network.id.starts_with(wanted))
    };
    plain == wanted || asked(mode).iter().any(names)
}

/// Refuses networks that are not there, and what they do not give, before a container is made.
pub(crate) fn check_names(engine: &Engine, mode: &NetworkMode) -> Result<()> {
    if matches!(mode, NetworkMode::Default) {
        return Ok(());
    }
    let mut seen = Vec::new();
    for asked in asked(mode) {
        let network = find(engine, &asked.network)?;
        if seen.contains(&network.id) {
            return Err(Error::invalid(format!("network {} is named twice", network.name)));
        }
        check(&network, &asked)?;
        seen.push(network.id);
    }
    Ok(())
}

/// Refuses what a network does not give.
pub(super) fn check(network: &NetworkRecord, asked: &EndpointRequest) -> Result<()> {
    if matches!(network.driver, Driver::Host | Driver::Null) {
        return Err(Error::invalid(format!(
            "conflicting options: cannot attach both user-defined and non-user-defined network-modes: {}",
            network.name
        ))
        .hint("give `host` and `none` alone"));
    }
    if !network.serves_names() && !asked.aliases.is_empty() {
        return Err(Error::invalid("network-scoped aliases are only supported for user-defined networks")
            .hint("make a network with `coracle network create`"));
    }
    let chosen = network.name == DEFAULT_NETWORK && (asked.ipv4.is_some() || asked.ipv6.is_some());
    if chosen {
        return Err(Error::invalid("user specified IP address is supported on user defined networks only")
            .hint("make a network with `coracle network create --subnet …`"));
    }
    let wanted = [(asked.ipv4.map(Into::into), true), (asked.ipv6.map(Into::into), false)];
    for (address, ipv4) in wanted {
        let Some(address): Option<std::net::IpAddr> = address else { continue };
        let inside = network.subnet(ipv4).is_some_and(|subnet| subnet.subnet.contains(address));
        if !inside {
            let known: Vec<String> = network.subnets.iter().map(|known| known.subnet.to_string()).collect();
            return Err(Error::invalid(format!(
                "no configured subnet of network {} contains {address}",
                network.name
            ))
            .hint(format!("its subnets: {}", known.join(", "))));
        }
    }
    Ok(())
}
