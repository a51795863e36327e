//! `build cache ls`, `build cache prune`: what builds have kept for the next ones.

use std::path::PathBuf;
use std::time::Duration;

use super::Command;
use super::export::destination;
use crate::caller::Caller;
use crate::grammar::{Invalid, Read, duration};
use crate::options::{Filtered, PruneOptions, Refusal, Refused, Table};
use crate::parse::{Arguments, Words};

/// What is done with the build cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheCommand {
    List,
    /// The files of a cache mount, to a file or standard output.
    Export {
        id: String,
        output: Option<PathBuf>,
    },
    /// The same back, from a file or standard input.
    Import {
        id: String,
        input: Option<PathBuf>,
    },
    Prune {
        unused_for: Option<Duration>,
        ask: bool,
    },
}

/// Arguments of `build cache ls`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    refused: Refused<OfList>,
}

#[derive(Debug, Clone)]
struct OfList;

/// Flags of `buildx du`.
impl Table for OfList {
    const ROWS: &'static [Refusal] = &[
        BUILDER,
        Refusal::value("filter", "the cache is listed whole"),
        Refusal::value("format", "the cache has one table"),
        VERBOSE,
    ];
}

const BUILDER: Refusal = Refusal::value("builder", "the engine is its own builder").unless(&["default"]);
const VERBOSE: Refusal = Refusal::switch("verbose", "the table has all that there is to tell");
const NO_BOUND: &str = "say what may go by its last use: --unused-for";

impl Arguments for ListArgs {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, _: &dyn Caller) -> Read<Command> {
        self.refused.check()?;
        Ok(Command::BuildCache(CacheCommand::List))
    }
}

/// Arguments of `build cache export`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ExportArgs {
    /// Write to a file, instead of STDOUT
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Arguments for ExportArgs {
    const WORDS: Words = Words::Exactly(1);

    fn command(self, words: Vec<String>, caller: &dyn Caller) -> Read<Command> {
        let output = destination(self.output, caller)?;
        let id = words.into_iter().next().unwrap_or_default();
        Ok(Command::BuildCache(CacheCommand::Export { id, output }))
    }
}

/// Arguments of `build cache import`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ImportArgs {
    /// Read from a file, instead of STDIN
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
}

impl Arguments for ImportArgs {
    const WORDS: Words = Words::Exactly(1);

    fn command(self, words: Vec<String>, caller: &dyn Caller) -> Read<Command> {
        let input = self.input.filter(|input| !input.as_os_str().is_empty());
        if input.is_none() && caller.stdin_is_terminal() {
            return Err(Invalid::new("standard input is a terminal and no archive")
                .hint("give the archive with --input FILE"));
        }
        let id = words.into_iter().next().unwrap_or_default();
        Ok(Command::BuildCache(CacheCommand::Import { id, input }))
    }
}

/// What is pruned by its last use.
#[derive(Debug, Clone)]
enum ByUse {}

impl Filtered for ByUse {
    const FILTERS: &'static [&'static str] = &["until"];
}

/// Arguments of `build cache prune`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PruneArgs {
    /// Remove all that no image needs, which is what happens anyway
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    cache: PruneOptions<ByUse>,
    /// Keep what was used in so long (e.g. 24h)
    #[arg(long, value_name = "DURATION")]
    unused_for: Option<String>,
    #[command(flatten)]
    refused: Refused<OfPrune>,
}

#[derive(Debug, Clone)]
struct OfPrune;

/// Flags of `builder prune` and `buildx prune`.
impl Table for OfPrune {
    const ROWS: &'static [Refusal] = &[
        BUILDER,
        Refusal::value("keep-storage", NO_BOUND).unless(&["0"]),
        Refusal::value("max-used-space", NO_BOUND).unless(&["0"]),
        Refusal::value("min-free-space", NO_BOUND).unless(&["0"]),
        Refusal::value("reserved-space", NO_BOUND).unless(&["0"]),
        VERBOSE,
    ];
}

impl Arguments for PruneArgs {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, caller: &dyn Caller) -> Read<Command> {
        self.refused.check()?;
        let until = self.cache.until(caller)?;
        let unused_for = match (&self.unused_for, until) {
            (Some(_), Some(_)) => {
                return Err(
                    Invalid::new("--unused-for and the filter until say the same").hint("give one of them")
                );
            }
            (Some(text), None) => {
                let nanos = duration::parse_nanos(text).and_then(|nanos| u64::try_from(nanos).ok());
                let invalid = || {
                    Invalid::new(format!("invalid argument \"{text}\" for \"--unused-for\" flag"))
                        .hint("write 24h or 30m")
                };
                Some(Duration::from_nanos(nanos.ok_or_else(invalid)?))
            }
            (None, Some(seconds)) => {
                let ago = caller.now().as_second().saturating_sub(seconds);
                Some(Duration::from_secs(ago.try_into().unwrap_or(0)))
            }
            (None, None) => None,
        };
        Ok(Command::BuildCache(CacheCommand::Prune { unused_for, ask: self.cache.asks() }))
    }
}
