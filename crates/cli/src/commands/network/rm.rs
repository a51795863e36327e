//! `network rm`: delete networks.

use engine::request::RemoveNetworksRequest;

use super::NetworkCommand;
use crate::commands::Command;
use crate::commands::removal::{self, Removable};

/// Arguments of `network rm`.
pub(crate) type Args = removal::Args<Networks>;

#[derive(Debug, Clone)]
pub(crate) enum Networks {}

impl Removable for Networks {
    fn remove(networks: Vec<String>, force: bool) -> Command {
        Command::Network(NetworkCommand::Remove(RemoveNetworksRequest { networks, force }))
    }
}
