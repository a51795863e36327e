//! `pause`: stop all processes of containers where they are.

use engine::request::PauseRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::Read;
use crate::parse::{Arguments, Words};

/// Arguments of `pause`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[arg(hide = true)]
    words: Vec<String>,
}

impl Arguments for Args {
    const WORDS: Words = Words::AtLeast(1);

    fn words(&self) -> &[String] {
        &self.words
    }

    fn command(self, _: &dyn Caller) -> Read<Command> {
        Ok(Command::Pause(PauseRequest { containers: self.words }))
    }
}
