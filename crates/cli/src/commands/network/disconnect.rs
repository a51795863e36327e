//! `network disconnect`: take a container off a network.

use engine::request::DisconnectRequest;

use super::NetworkCommand;
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::Read;
use crate::parse::{Arguments, Words};

/// Arguments of `network disconnect`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Force the container to disconnect from a network
    #[arg(short, long)]
    force: bool,
}

impl Arguments for Args {
    const WORDS: Words = Words::Exactly(2);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let Self { force } = self;
        let mut words = words.into_iter();
        let network = words.next().unwrap_or_default();
        let container = words.next().unwrap_or_default();
        Ok(Command::Network(NetworkCommand::Disconnect(DisconnectRequest { network, container, force })))
    }
}
