//! `network rm` and `network prune`: networks that no container is on.

use network::Fabric;

use super::record::NetworkRecord;
use super::{place, shelf};
use crate::error::{Error, Result};
use crate::paths::Engine;
use crate::removed::Removed;
use crate::request::{PruneRequest, RemoveNetworksRequest};

/// Removes each network; the outcomes are told one by one.
pub fn remove(engine: &Engine, request: &RemoveNetworksRequest) -> Vec<(String, Result<Removed>)> {
    let one = |word: &String| {
        let found = shelf::find(engine, word);
        (word.clone(), Removed::by(request.force, found, |network| remove_one(engine, &network)))
    };
    request.networks.iter().map(one).collect()
}

fn remove_one(engine: &Engine, network: &NetworkRecord) -> Result<()> {
    if network.is_builtin() {
        return Err(Error::new(
            oci::class::Class::Denied,
            format!("{} is a pre-defined network and cannot be removed", network.name),
        )
        .hint("`coracle network prune` takes its bridge away while no container is on it"));
    }
    let _alone = shelf::alone(engine)?;
    let network = shelf::find(engine, &network.id)?;
    refuse_used(engine, &network)?;
    take_down(engine, &network)?;
    shelf::delete(engine, &network)?;
    network.tell(engine, "destroy");
    Ok(())
}

/// Fails where containers are on the network; those whose end nobody saw do not count.
fn refuse_used(engine: &Engine, network: &NetworkRecord) -> Result<()> {
    if shelf::users(engine, &network.id)?.is_empty() {
        return Ok(());
    }
    place::free_the_dead(engine)?;
    let users = shelf::users(engine, &network.id)?;
    if users.is_empty() {
        return Ok(());
    }
    let names: Vec<String> =
        users.into_iter().map(|id| crate::container::name_of(engine, &id).unwrap_or(id)).collect();
    Err(Error::conflict(format!("network {} has active endpoints: {}", network.name, names.join(", "))).hint(
        format!("stop these containers, or use `coracle network disconnect {} CONTAINER`", network.name),
    ))
}

/// Takes away what the kernel has of a network, and the place of its claims.
fn take_down(engine: &Engine, network: &NetworkRecord) -> Result<()> {
    if let Some(rules) = network.bridge_rules() {
        Fabric::new(engine.run_root()).remove(&rules)?;
    }
    crate::container::remove_tree(&network::State::new(engine.run_root()).network(&network.id))
}

/// Removes the networks that no container is on, and the default one's bridge, which comes back when it is needed.
/// Returns the names of the networks.
pub fn prune(engine: &Engine, request: &PruneRequest) -> Result<Vec<String>> {
    let mut pruned = Vec::new();
    let named = named_by_containers(engine)?;
    for network in shelf::known(engine)? {
        let wanted = request.means(&network.labels, network.created);
        if !wanted || !network.is_builtin() && named.contains(&network.name) {
            continue;
        }
        let _alone = shelf::alone(engine)?;
        if shelf::load(engine, &network.name)?.as_ref() != Some(&network)
            || refuse_used(engine, &network).is_err()
        {
            continue;
        }
        take_down(engine, &network)?;
        if !network.is_builtin() {
            shelf::delete(engine, &network)?;
            network.tell(engine, "destroy");
            pruned.push(network.name);
        }
    }
    Ok(pruned)
}

/// Networks that a stopped container would need to start again stay, as with Docker.
fn named_by_containers(engine: &Engine) -> Result<std::collections::BTreeSet<String>> {
    let mut names = std::collections::BTreeSet::new();
    for container in crate::container::all_containers(engine)? {
        for asked in shelf::asked(&container.record.request.namespaces.network) {
            names.extend(shelf::find(engine, &asked.network).ok().map(|network| network.name));
        }
    }
    Ok(names)
}
