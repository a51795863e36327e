//! `system check`: hold content against its digests.

use engine::request::CheckRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::Read;
use crate::parse::{Arguments, Words};

/// Arguments of `system check`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Repair what can be, and remove damaged blobs so that a load or pull brings them again
    #[arg(long)]
    repair: bool,
}

impl Arguments for Args {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, _: &dyn Caller) -> Read<Command> {
        Ok(Command::Check(CheckRequest { repair: self.repair }))
    }
}
