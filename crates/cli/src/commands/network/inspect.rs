//! `network inspect`: everything about a network, as JSON.

use super::NetworkCommand;
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::Read;
use crate::grammar::format::{self, Format};
use crate::parse::{Arguments, Words};

/// Arguments of `network inspect`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Format output: 'json' or a Go template
    #[arg(short, long, value_parser = format::parse)]
    format: Option<Format>,
    /// Verbose output for diagnostics (nothing more, as there is no swarm)
    #[arg(short, long)]
    verbose: bool,
}

impl Arguments for Args {
    const WORDS: Words = Words::AtLeast(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let Self { format, verbose: _ } = self;
        Ok(Command::Network(NetworkCommand::Inspect(words, format.unwrap_or_default())))
    }
}
