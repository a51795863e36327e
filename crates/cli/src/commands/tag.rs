//! `tag`: one more name for an image.

use engine::request::TagRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::Read;
use crate::parse::{Arguments, Words};

/// Arguments of `tag`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {}

impl Arguments for Args {
    const WORDS: Words = Words::Exactly(2);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let mut words = words.into_iter();
        let mut next = || words.next().unwrap_or_default();
        Ok(Command::Tag(TagRequest { source: next(), target: next() }))
    }
}
