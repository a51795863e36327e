//! `kill`: send a signal to a container.

use engine::request::{KillRequest, Signal};

use super::Command;
use crate::caller::Caller;
use crate::grammar::Read;
use crate::parse::{Arguments, Words};

/// Arguments of `kill`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Signal to send to the container
    #[arg(short, long, default_value = "KILL")]
    signal: Signal,
}

impl Arguments for Args {
    const WORDS: Words = Words::AtLeast(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        Ok(Command::Kill(KillRequest { containers: words, signal: self.signal }))
    }
}
