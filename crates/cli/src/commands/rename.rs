//! `rename`: another name for a container.

use engine::request::RenameRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::Read;
use crate::parse::{Arguments, Words};

/// Arguments of `rename`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {}

impl Arguments for Args {
    const WORDS: Words = Words::Exactly(2);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let mut words = words.into_iter().map(|word| word.trim().to_owned());
        let mut next = || words.next().unwrap_or_default();
        Ok(Command::Rename(RenameRequest { container: next(), name: next() }))
    }
}
