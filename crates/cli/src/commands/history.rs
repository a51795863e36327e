//! `history`: the layers of an image and how they came to be.

use engine::request::{HistoryRequest, Platform};

use super::Command;
use crate::caller::Caller;
use crate::grammar::format::{self, Format};
use crate::grammar::{Read, boolean, platform};
use crate::parse::{Arguments, Words};
use crate::print::HistoryView;

/// Arguments of `history`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Format output: 'table', 'table TEMPLATE', 'json' or a Go template
    #[arg(long, value_parser = format::parse_rows)]
    format: Option<Format>,
    /// Print sizes and dates in human readable format (default true)
    #[arg(short = 'H', long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = boolean::parse)]
    human: Option<bool>,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Show history for the given platform
    #[arg(long, value_parser = platform::parse)]
    platform: Option<Platform>,
    /// Only show image IDs
    #[arg(short, long)]
    quiet: bool,
}

impl Arguments for Args {
    const WORDS: Words = Words::Exactly(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let image = words.into_iter().next().unwrap_or_default();
        let view = HistoryView {
            format: self.format.unwrap_or_default(),
            quiet: self.quiet,
            truncate: !self.no_trunc,
            human: self.human.unwrap_or(true),
        };
        Ok(Command::History(HistoryRequest { image, platform: self.platform }, view))
    }
}
