//! `build history …`: what was built, how it ended, what it printed.

use super::Command;
use crate::caller::Caller;
use crate::grammar::format::{self, Format};
use crate::grammar::{Invalid, Read};
use crate::parse::{Arguments, Words};
use crate::print::BuildsView;

/// What is asked of the history of builds. A build is named by the beginning of its id; no name is the last one.
#[derive(Debug, Clone, PartialEq)]
pub enum HistoryCommand {
    List(BuildsView),
    Inspect(Vec<String>, Format),
    Logs(String),
    Remove { builds: Vec<String>, all: bool },
}

/// Arguments of `build history ls`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ListArgs {
    /// Format output: 'table TEMPLATE', 'json' or a Go template
    #[arg(long, value_name = "FORMAT", value_parser = format::parse_list)]
    format: Option<Format>,
    /// Do not shorten ids
    #[arg(long)]
    no_trunc: bool,
    /// Only show ids
    #[arg(short, long)]
    quiet: bool,
}

impl Arguments for ListArgs {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let format = self.format.unwrap_or_default();
        let view = BuildsView { format, quiet: self.quiet, truncate: !self.no_trunc };
        Ok(Command::BuildHistory(HistoryCommand::List(view)))
    }
}

/// Arguments of `build history inspect`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct InspectArgs {
    /// Format output: 'json' or a Go template
    #[arg(short, long, value_parser = format::parse)]
    format: Option<Format>,
}

impl Arguments for InspectArgs {
    const WORDS: Words = Words::AtLeast(0);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let words = if words.is_empty() { vec![String::new()] } else { words };
        Ok(Command::BuildHistory(HistoryCommand::Inspect(words, self.format.unwrap_or_default())))
    }
}

/// Arguments of `build history logs`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct LogsArgs {}

impl Arguments for LogsArgs {
    const WORDS: Words = Words::AtMost(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        Ok(Command::BuildHistory(HistoryCommand::Logs(words.into_iter().next().unwrap_or_default())))
    }
}

/// Arguments of `build history rm`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RemoveArgs {
    /// Remove all builds that have ended
    #[arg(long)]
    all: bool,
}

impl Arguments for RemoveArgs {
    const WORDS: Words = Words::AtLeast(0);

    fn command(self, builds: Vec<String>, _: &dyn Caller) -> Read<Command> {
        if builds.is_empty() != self.all {
            return Err(Invalid::new("name builds, or all of them").hint("write ids, or --all"));
        }
        Ok(Command::BuildHistory(HistoryCommand::Remove { builds, all: self.all }))
    }
}
