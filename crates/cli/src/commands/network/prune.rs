//! `network prune`: remove what no container is on.

use engine::request::PruneNetworksRequest;

use super::NetworkCommand;
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::key_value::Pair;
use crate::grammar::{Read, filter, time};
use crate::parse::{Arguments, Words};

/// Arguments of `network prune`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Provide filter values (label, label!, until)
    #[arg(long, value_name = "NAME=VALUE", value_parser = filter::parse)]
    filter: Vec<Pair>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

impl Arguments for Args {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, caller: &dyn Caller) -> Read<Command> {
        let mut request = PruneNetworksRequest::default();
        let moment = |text: &str| time::parse(text, caller.now(), || caller.zone());
        filter::apply_to_network_prune(&self.filter, moment, &mut request)?;
        Ok(Command::Network(NetworkCommand::Prune { request, ask: !self.force }))
    }
}
