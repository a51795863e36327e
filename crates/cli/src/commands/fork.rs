//! `fork`: containers that go on from what another one is now.

use engine::request::ForkRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::{Invalid, Read};
use crate::parse::{Arguments, Words};

/// Arguments of `fork`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// How many containers (default 1)
    #[arg(short = 'n', long, value_name = "NUMBER")]
    count: Option<usize>,
    /// Their names, with {n} for the number (default ORIGINAL-{n})
    #[arg(long, value_name = "PATTERN")]
    name: Option<String>,
    /// Remove each when it ends, with its copies of volumes
    #[arg(long)]
    rm: bool,
}

impl Arguments for Args {
    const WORDS: Words = Words::Exactly(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let container = words.into_iter().next().unwrap_or_default();
        let count = self.count.unwrap_or(1);
        if !(1..=10_000).contains(&count) {
            return Err(Invalid::new(format!("{count} is no number of containers")).hint("fork one at least"));
        }
        Ok(Command::Fork(ForkRequest { container, count, name: self.name, auto_remove: self.rm }))
    }
}
