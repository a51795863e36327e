//! `image rollback`: lead a tag to where it led before.

use engine::request::RollbackRequest;

use super::ImageCommand;
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::Read;
use crate::parse::{Arguments, Words};

/// Arguments of `image rollback`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The image it led to, by id or digest, instead of the latest other one
    #[arg(long, value_name = "IMAGE")]
    to: Option<String>,
}

impl Arguments for Args {
    const WORDS: Words = Words::Exactly(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let name = words.into_iter().next().unwrap_or_default();
        Ok(Command::Image(ImageCommand::Rollback(RollbackRequest { name, to: self.to })))
    }
}
