//! `network prune`: remove what no container is on.

use super::NetworkCommand;
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::Read;
use crate::options::{ByAge, PruneOptions};
use crate::parse::{Arguments, Words};

/// Arguments of `network prune`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    networks: PruneOptions<ByAge>,
}

impl Arguments for Args {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, caller: &dyn Caller) -> Read<Command> {
        let Self { networks } = self;
        let (request, ask) = (networks.by_age(caller)?, networks.asks());
        Ok(Command::Network(NetworkCommand::Prune { request, ask }))
    }
}
