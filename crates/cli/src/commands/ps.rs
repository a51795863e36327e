//! `ps`: the list of containers.

use engine::request::PsRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::filter;
use crate::grammar::format::Format;
use crate::grammar::{Read, number};
use crate::options::{ListOptions, Listed};
use crate::parse::{Arguments, Words};
use crate::print::PsView;

/// Arguments of `ps`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    list: ListOptions<Containers>,
    /// Show n last created containers (includes all states)
    #[arg(short = 'n', long, value_name = "NUMBER", default_value = "-1", value_parser = number::parse::<i64>)]
    last: i64,
    /// Show the latest created container (includes all states)
    #[arg(short, long)]
    latest: bool,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Display total file sizes
    #[arg(short, long)]
    size: bool,
}

#[derive(Debug, Clone)]
enum Containers {}

impl Listed for Containers {
    const FILTERS: &'static [&'static str] = filter::PS;
    const IDENTITY: &'static str = "container IDs";
}

impl Arguments for Args {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let last =
            if self.latest { Some(1) } else { usize::try_from(self.last).ok().filter(|last| *last > 0) };
        let format = self.list.format;
        // As in Docker, a template that shows sizes has them measured.
        let size = self.size || !self.list.quiet && format.mentions("Size");
        let platform = !self.list.quiet && (format == Format::Json || format.mentions("Platform"));
        let mut request = PsRequest { all: self.all, last, size, platform, ..PsRequest::default() };
        filter::apply_to_ps(&self.list.filter, &mut request)?;
        let view = PsView { format, quiet: self.list.quiet, truncate: !self.no_trunc, size: self.size };
        Ok(Command::Ps(request, view))
    }
}
