//! `container prune`: forget the containers that do not run.

use super::Command;
use crate::caller::Caller;
use crate::grammar::Read;
use crate::options::{ByAge, PruneOptions};
use crate::parse::{Arguments, Words};

/// Arguments of `container prune`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    containers: PruneOptions<ByAge>,
}

impl Arguments for Args {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, caller: &dyn Caller) -> Read<Command> {
        let Self { containers } = self;
        Ok(Command::PruneContainers { request: containers.by_age(caller)?, ask: containers.asks() })
    }
}
