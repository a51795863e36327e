//! `volume prune`: remove what no container uses.

use engine::request::PruneVolumesRequest;

use super::VolumeCommand;
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::{Read, filter};
use crate::options::{Filtered, PruneOptions};
use crate::parse::{Arguments, Words};

/// Arguments of `volume prune`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Remove all unused volumes, not just anonymous ones
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    volumes: PruneOptions<Volumes>,
}

#[derive(Debug, Clone)]
enum Volumes {}

impl Filtered for Volumes {
    const FILTERS: &'static [&'static str] = filter::PRUNE_VOLUMES;
}

impl Arguments for Args {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let mut request = PruneVolumesRequest { all: self.all, ..PruneVolumesRequest::default() };
        filter::apply_to_prune(self.volumes.filters(), &mut request)?;
        Ok(Command::Volume(VolumeCommand::Prune { request, ask: self.volumes.asks() }))
    }
}
