//! `system df`: what takes the disk.

use super::Command;
use crate::caller::Caller;
use crate::grammar::Read;
use crate::grammar::format::{self, Format};
use crate::parse::{Arguments, Words};
use crate::print::DiskView;

/// Arguments of `system df`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Format output: 'table', 'table TEMPLATE', 'json' or a Go template
    #[arg(long, value_parser = format::parse_rows)]
    format: Option<Format>,
    /// Show detailed information on space usage
    #[arg(short, long)]
    verbose: bool,
}

impl Arguments for Args {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, _: &dyn Caller) -> Read<Command> {
        Ok(Command::Disk(DiskView { format: self.format.unwrap_or_default(), verbose: self.verbose }))
    }
}
