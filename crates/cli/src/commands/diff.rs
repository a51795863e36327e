//! `diff`: what a container has changed of its files.

use engine::request::DiffRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::Read;
use crate::parse::{Arguments, Words};

/// Arguments of `diff`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {}

impl Arguments for Args {
    const WORDS: Words = Words::Exactly(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let container = words.into_iter().next().unwrap_or_default();
        Ok(Command::Diff(DiffRequest { container }))
    }
}
