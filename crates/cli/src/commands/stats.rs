//! `stats`: what containers use.

use engine::request::StatsRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::Read;
use crate::grammar::format::{self, Format};
use crate::parse::{Arguments, Words};
use crate::print::StatsView;

/// Arguments of `stats`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    all: bool,
    /// Format output: 'table', 'table TEMPLATE', 'json' or a Go template
    #[arg(long, value_parser = format::parse_rows)]
    format: Option<Format>,
    /// Disable streaming stats and only pull the first result
    #[arg(long)]
    no_stream: bool,
    /// Do not truncate output
    #[arg(long)]
    no_trunc: bool,
}

impl Arguments for Args {
    const WORDS: Words = Words::AtLeast(0);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let view = StatsView { format: self.format.unwrap_or_default(), truncate: !self.no_trunc };
        let request = StatsRequest { containers: words, all: self.all };
        Ok(Command::Stats { request, view, stream: !self.no_stream })
    }
}
