//! `network rm`: delete networks.

use engine::request::RemoveNetworksRequest;

use super::NetworkCommand;
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::Read;
use crate::parse::{Arguments, Words};

/// Arguments of `network rm`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Do not error if the network does not exist
    #[arg(short, long)]
    force: bool,
}

impl Arguments for Args {
    const WORDS: Words = Words::AtLeast(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let Self { force } = self;
        Ok(Command::Network(NetworkCommand::Remove(RemoveNetworksRequest { networks: words, force })))
    }
}
