//! `version`: what this engine is.

use super::Command;
use crate::caller::Caller;
use crate::grammar::Read;
use crate::grammar::format::{self, Format};
use crate::parse::{Arguments, Words};

/// Arguments of `version`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Format output: 'json' or a Go template
    #[arg(short, long, value_parser = format::parse)]
    format: Option<Format>,
}

impl Arguments for Args {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, _: &dyn Caller) -> Read<Command> {
        Ok(Command::Version(self.format.unwrap_or_default()))
    }
}
