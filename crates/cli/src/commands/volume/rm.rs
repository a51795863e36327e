//! `volume rm`: delete volumes and what is in them.

use engine::request::RemoveVolumesRequest;

use super::VolumeCommand;
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::Read;
use crate::parse::{Arguments, Words};

/// Arguments of `volume rm`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Do not complain of volumes that do not exist
    #[arg(short, long)]
    force: bool,
}

impl Arguments for Args {
    const WORDS: Words = Words::AtLeast(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let Self { force } = self;
        Ok(Command::Volume(VolumeCommand::Remove(RemoveVolumesRequest { volumes: words, force })))
    }
}
