//! `events`: what has happened, and what happens.

use engine::request::EventsRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::format::{self, Format};
use crate::grammar::key_value::Pair;
use crate::grammar::{Read, filter, time};
use crate::parse::{Arguments, Words};

/// Arguments of `events`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[arg(
        short,
        long,
        value_name = "NAME=VALUE",
        value_parser = filter::parse,
        help = format!("Provide filter values ({})", filter::EVENTS.join(", ")),
    )]
    filter: Vec<Pair>,
    /// Format output: 'json' or a Go template
    #[arg(long, value_parser = format::parse)]
    format: Option<Format>,
    /// Show all events created since timestamp
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Stream events until this timestamp
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl Arguments for Args {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, caller: &dyn Caller) -> Read<Command> {
        let mut request = EventsRequest {
            since: time::parse_flag("since", self.since, caller)?,
            until: time::parse_flag("until", self.until, caller)?,
            ..EventsRequest::default()
        };
        filter::apply_to_events(&self.filter, &mut request)?;
        Ok(Command::Events(request, self.format.unwrap_or_default()))
    }
}
