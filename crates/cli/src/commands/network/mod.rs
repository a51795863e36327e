//! `network …`: one verb a file.

use engine::request::{
    ConnectRequest, DisconnectRequest, NetworkCreateRequest, NetworksRequest, PruneRequest,
    RemoveNetworksRequest,
};

use crate::grammar::format::Format;
use crate::print::NetworksView;

pub(crate) mod connect;
pub(crate) mod create;
pub(crate) mod disconnect;
pub(crate) mod inspect;
pub(crate) mod ls;
pub(crate) mod prune;
pub(crate) mod rm;

/// What was asked of networks.
#[derive(Debug, Clone, PartialEq)]
pub enum NetworkCommand {
    Connect(ConnectRequest),
    Create(NetworkCreateRequest),
    Disconnect(DisconnectRequest),
    Inspect(Vec<String>, Format),
    List(NetworksRequest, NetworksView),
    /// Asks before it removes, unless told not to.
    Prune {
        request: PruneRequest,
        ask: bool,
    },
    Remove(RemoveNetworksRequest),
}
