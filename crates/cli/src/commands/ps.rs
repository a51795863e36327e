//! `ps`: the list of containers.

use engine::request::PsRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::filter;
use crate::grammar::format::{self, Format};
use crate::grammar::key_value::Pair;
use crate::grammar::{Read, number};
use crate::parse::{Arguments, Words};
use crate::print::PsView;

/// Arguments of `ps`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    all: bool,
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = filter::parse)]
    filter: Vec<Pair>,
    /// Format output: 'table', 'table TEMPLATE', 'json' or a Go template
    #[arg(long, value_parser = format::parse_rows)]
    format: Option<Format>,
    /// Show n last created containers (includes all states)
    #[arg(short = 'n', long, value_name = "NUMBER", default_value = "-1", value_parser = number::parse::<i64>)]
    last: i64,
    /// Show the latest created container (includes all states)
    #[arg(short, long)]
    latest: bool,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only display container IDs
    #[arg(short, long)]
    quiet: bool,
    /// Display total file sizes
    #[arg(short, long)]
    size: bool,
}

impl Arguments for Args {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let last =
            if self.latest { Some(1) } else { usize::try_from(self.last).ok().filter(|last| *last > 0) };
        let format = self.format.unwrap_or_default();
        // As in Docker, a template that shows sizes has them measured.
        let size = self.size || !self.quiet && format.mentions("Size");
        let mut request = PsRequest { all: self.all, last, size, ..PsRequest::default() };
        filter::apply_to_ps(&self.filter, &mut request)?;
        let view = PsView { format, quiet: self.quiet, truncate: !self.no_trunc, size: self.size };
        Ok(Command::Ps(request, view))
    }
}
