//! `tag`: one more name for an image.

use engine::request::TagRequest;

use super::{Command, ImageCommand};
use crate::caller::Caller;
use crate::grammar::{Invalid, Read};
use crate::parse::{Arguments, Words};

/// Arguments of `tag`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Show where a tag leads, and where it led before
    #[arg(long)]
    history: bool,
}

impl Arguments for Args {
    const WORDS: Words = Words::Between(1, 2);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        match (self.history, words.len()) {
            (true, 1) => return Ok(Command::Image(ImageCommand::TagHistory(words.concat()))),
            (true, _) => return Err(Invalid::new("--history takes one name")),
            (false, 1) => return Err(Invalid::new("a tag needs a source and a target")),
            (false, _) => {}
        }
        let mut words = words.into_iter();
        let mut next = || words.next().unwrap_or_default();
        Ok(Command::Tag(TagRequest { source: next(), target: next() }))
    }
}
