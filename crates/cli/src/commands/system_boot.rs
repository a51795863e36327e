//! `system boot`: what a machine does when it has booted.

use super::Command;
use crate::caller::Caller;
use crate::grammar::Read;
use crate::parse::{Arguments, Words};

/// Arguments of `system boot`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {}

impl Arguments for Args {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, _: &dyn Caller) -> Read<Command> {
        Ok(Command::Boot)
    }
}
