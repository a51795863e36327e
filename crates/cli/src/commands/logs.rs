//! `logs`: what a container printed.

use engine::request::{LogsRequest, Tail};

use super::Command;
use crate::caller::Caller;
use crate::grammar::{Invalid, Read, time};
use crate::parse::{Arguments, Words};

/// Arguments of `logs`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Show extra details provided to logs
    #[arg(long)]
    details: bool,
    /// Follow log output
    #[arg(short, long)]
    follow: bool,
    /// Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Number of lines to show from the end of the logs
    #[arg(short = 'n', long, value_name = "LINES", default_value = "all", value_parser = parse_tail)]
    tail: Tail,
    /// Show timestamps
    #[arg(short, long)]
    timestamps: bool,
}

/// Anything that is not a count shows all, as in Docker a negative number does.
fn parse_tail(text: &str) -> Read<Tail> {
    if text == "all" {
        return Ok(Tail::All);
    }
    match text.parse::<i64>() {
        Ok(lines) => Ok(usize::try_from(lines).map_or(Tail::All, Tail::Lines)),
        Err(_) => Err(Invalid::new(format!("`{text}` is neither a number nor \"all\""))),
    }
}

impl Arguments for Args {
    const WORDS: Words = Words::Exactly(1);

    fn command(self, words: Vec<String>, caller: &dyn Caller) -> Read<Command> {
        Ok(Command::Logs(LogsRequest {
            container: words.into_iter().next().unwrap_or_default(),
            follow: self.follow,
            tail: self.tail,
            since: time::parse_flag("since", self.since, caller)?,
            until: time::parse_flag("until", self.until, caller)?,
            timestamps: self.timestamps,
            details: self.details,
        }))
    }
}
