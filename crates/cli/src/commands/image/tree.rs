//! `image tree`: the layers that images share, and what each really costs.

use super::ImageCommand;
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::Read;
use crate::parse::{Arguments, Words};

/// Arguments of `image tree`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
}

impl Arguments for Args {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, _: &dyn Caller) -> Read<Command> {
        Ok(Command::Image(ImageCommand::Tree { truncate: !self.no_trunc }))
    }
}
