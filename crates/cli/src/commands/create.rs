//! `create`: make a container and print its id.

use super::Command;
use crate::caller::Caller;
use crate::grammar::Read;
use crate::options::ContainerOptions;
use crate::parse::{Arguments, Words};

/// Arguments of `create`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Suppress the pull output
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    container: ContainerOptions,
}

impl Arguments for Args {
    const WORDS: Words = Words::AtLeast(1);
    const FLAGS_END_AT_FIRST_WORD: bool = true;

    fn command(self, words: Vec<String>, caller: &dyn Caller) -> Read<Command> {
        let quiet = self.quiet;
        self.container.request(words, caller).map(|request| Command::Create { request, quiet })
    }
}
