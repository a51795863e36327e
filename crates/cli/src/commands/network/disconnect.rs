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
    #[arg(hide = true)]
    words: Vec<String>,
}

impl Arguments for Args {
    const WORDS: Words = Words::Exactly(2);

    fn words(&self) -> &[String] {
        &self.words
    }

    fn command(self, _: &dyn Caller) -> Read<Command> {
        let Self { force, words } = self;
        let mut words = words.into_iter();
        let network = words.next().unwrap_or_default();
        let container = words.next().unwrap_or_default();
        Ok(Command::Network(NetworkCommand::Disconnect(DisconnectRequest { network, container, force })))
    }
}
