//! `stop`: ask a container to end, then make it.

use engine::request::{Signal, StopRequest, Timeout};

use super::Command;
use crate::caller::Caller;
use crate::grammar::{Read, duration};
use crate::parse::{Arguments, Words};

/// Arguments of `stop`, and of `restart`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Signal to send to the container
    #[arg(short, long)]
    pub(super) signal: Option<Signal>,
    /// Seconds to wait before killing the container
    #[arg(short, long, alias = "time", value_name = "SECONDS", value_parser = duration::parse_timeout)]
    pub(super) timeout: Option<Timeout>,
}

impl Arguments for Args {
    const WORDS: Words = Words::AtLeast(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let Self { signal, timeout } = self;
        Ok(Command::Stop(StopRequest { containers: words, signal, timeout }))
    }
}
