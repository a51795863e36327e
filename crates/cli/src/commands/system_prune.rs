//! `system prune`: remove all that is not in use.

use engine::request::PruneSystemRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::{Invalid, Read};
use crate::options::{ByAge, PruneOptions};
use crate::parse::{Arguments, Words};

/// Arguments of `system prune`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Remove all unused images not just dangling ones
    #[arg(short, long)]
    all: bool,
    /// Prune anonymous volumes
    #[arg(long)]
    volumes: bool,
    #[command(flatten)]
    things: PruneOptions<ByAge>,
}

impl Arguments for Args {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, caller: &dyn Caller) -> Read<Command> {
        let which = self.things.by_age(caller)?;
        if self.volumes && which.until.is_some() {
            return Err(Invalid::new("the \"until\" filter is not supported with \"--volumes\"")
                .hint("prune volumes by themselves: coracle volume prune"));
        }
        let request = PruneSystemRequest { all: self.all, volumes: self.volumes, which };
        Ok(Command::PruneSystem { request, ask: self.things.asks() })
    }
}
