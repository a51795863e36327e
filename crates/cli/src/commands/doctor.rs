//! `doctor`: what this machine lacks, and the remedy.

use engine::request::InfoRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::Read;
use crate::grammar::format::{self, Format};
use crate::parse::{Arguments, Words};

/// Arguments of `doctor`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Format output: 'table', 'table TEMPLATE', 'json' or a Go template
    #[arg(short, long, value_parser = format::parse_rows)]
    format: Option<Format>,
}

impl Arguments for Args {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, _: &dyn Caller) -> Read<Command> {
        Ok(Command::Doctor(InfoRequest { fresh: true }, self.format.unwrap_or_default()))
    }
}
