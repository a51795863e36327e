//! `volume prune`: remove what no container uses.

use engine::request::PruneVolumesRequest;

use super::VolumeCommand;
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::key_value::Pair;
use crate::grammar::{Read, filter};
use crate::parse::{Arguments, Words};

/// Arguments of `volume prune`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Remove all unused volumes, not just anonymous ones
    #[arg(short, long)]
    all: bool,
    /// Provide filter values (label, label!, all)
    #[arg(long, value_name = "NAME=VALUE", value_parser = filter::parse)]
    filter: Vec<Pair>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

impl Arguments for Args {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let mut request = PruneVolumesRequest { all: self.all, ..PruneVolumesRequest::default() };
        filter::apply_to_prune(&self.filter, &mut request)?;
        Ok(Command::Volume(VolumeCommand::Prune { request, ask: !self.force }))
    }
}
