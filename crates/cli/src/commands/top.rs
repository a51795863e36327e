//! `top`: the processes of a container.

use engine::request::TopRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::Read;
use crate::parse::{Arguments, Words};

/// Arguments of `top`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {}

impl Arguments for Args {
    const WORDS: Words = Words::AtLeast(1);
    const FLAGS_END_AT_FIRST_WORD: bool = true;

    fn command(self, words: Vec<String>, caller: &dyn Caller) -> Read<Command> {
        let mut words = words.into_iter();
        let container = words.next().unwrap_or_default();
        // As in Docker, several may stand in one word.
        let options: Vec<String> =
            words.flat_map(|word| word.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
        let search_path = caller.var("PATH").filter(|_| !options.is_empty());
        Ok(Command::Top(TopRequest { container, options, search_path }))
    }
}
