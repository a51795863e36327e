//! `restart`: stop a container and start it again.

use engine::request::{RestartRequest, Signal, Timeout};

use super::Command;
use crate::caller::Caller;
use crate::grammar::{Read, duration};
use crate::parse::{Arguments, Words};

/// Arguments of `restart`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Signal to send to the container
    #[arg(short, long)]
    signal: Option<Signal>,
    /// Seconds to wait before killing the container
    #[arg(short, long, alias = "time", value_name = "SECONDS", value_parser = duration::parse_timeout)]
    timeout: Option<Timeout>,
    #[arg(hide = true)]
    words: Vec<String>,
}

impl Arguments for Args {
    const WORDS: Words = Words::AtLeast(1);

    fn words(&self) -> &[String] {
        &self.words
    }

    fn command(self, _: &dyn Caller) -> Read<Command> {
        let Self { signal, timeout, words } = self;
        Ok(Command::Restart(RestartRequest { containers: words, signal, timeout }))
    }
}
