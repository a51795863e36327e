//! `unpause`: let paused containers run on.

use engine::request::PauseRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::Read;
use crate::parse::{Arguments, Words};

/// Arguments of `unpause`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {}

impl Arguments for Args {
    const WORDS: Words = Words::AtLeast(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        Ok(Command::Unpause(PauseRequest { containers: words }))
    }
}
