//! `wait`: block until containers end, and print their exit codes.

use engine::request::WaitRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::Read;
use crate::parse::{Arguments, Words};

/// Arguments of `wait`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {}

impl Arguments for Args {
    const WORDS: Words = Words::AtLeast(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        Ok(Command::Wait(WaitRequest { containers: words }))
    }
}
