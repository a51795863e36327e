//! `info`: what this engine holds and what it found on the machine.

use engine::request::InfoRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::Read;
use crate::grammar::format::{self, Format};
use crate::parse::{Arguments, Words};

/// Arguments of `info`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Format output: 'json' or a Go template
    #[arg(short, long, value_parser = format::parse)]
    format: Option<Format>,
}

impl Arguments for Args {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, _: &dyn Caller) -> Read<Command> {
        Ok(Command::Info(InfoRequest::default(), self.format.unwrap_or_default()))
    }
}
