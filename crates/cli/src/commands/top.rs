//! `top`: the processes of a container.

use engine::request::TopRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::Read;
use crate::parse::{Arguments, Words};

/// Arguments of `top`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Container and options of `ps`: our own end at the container.
    #[arg(trailing_var_arg = true, hide = true)]
    words: Vec<String>,
}

impl Arguments for Args {
    const WORDS: Words = Words::AtLeast(1);

    fn words(&self) -> &[String] {
        &self.words
    }

    fn command(self, caller: &dyn Caller) -> Read<Command> {
        let mut words = self.words.into_iter();
        let container = words.next().unwrap_or_default();
        // As in Docker, several may stand in one word.
        let options: Vec<String> =
            words.flat_map(|word| word.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
        let search_path = caller.var("PATH").filter(|_| !options.is_empty());
        Ok(Command::Top(TopRequest { container, options, search_path }))
    }
}
