//! `volume inspect`: everything about a volume, as JSON.

use super::VolumeCommand;
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::Read;
use crate::grammar::format::{self, Format};
use crate::parse::{Arguments, Words};

/// Arguments of `volume inspect`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Format output: 'json' or a Go template
    #[arg(short, long, value_parser = format::parse)]
    format: Option<Format>,
}

impl Arguments for Args {
    const WORDS: Words = Words::AtLeast(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        Ok(Command::Volume(VolumeCommand::Inspect(words, self.format.unwrap_or_default())))
    }
}
