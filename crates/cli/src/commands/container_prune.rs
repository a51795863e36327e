//! `container prune`: forget the containers that do not run.

use super::Command;
use crate::caller::Caller;
use crate::grammar::key_value::Pair;
use crate::grammar::{Read, filter, time};
use crate::parse::{Arguments, Words};

/// Arguments of `container prune`.
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
        let moment = |text: &str| time::parse(text, caller.now(), || caller.zone());
        let request = filter::read_container_prune(&self.filter, moment)?;
        Ok(Command::PruneContainers { request, ask: !self.force })
    }
}
