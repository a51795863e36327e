//! `rm`: forget containers and what they wrote.

use engine::request::RemoveRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::Read;
use crate::options::{Refusal, Refused, Table};
use crate::parse::{Arguments, Words};

/// Arguments of `rm`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Force the removal of a running container (uses SIGKILL)
    #[arg(short, long)]
    force: bool,
    /// Remove anonymous volumes associated with the container
    #[arg(short, long)]
    volumes: bool,
    #[command(flatten)]
    refused: Refused<OfRm>,
}

struct OfRm;

impl Table for OfRm {
    const ROWS: &'static [Refusal] = &[Refusal::switch("link", crate::grammar::network::NO_LINKS).short('l')];
}

impl Arguments for Args {
    const WORDS: Words = Words::AtLeast(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        self.refused.check()?;
        let Self { force, volumes, .. } = self;
        Ok(Command::Remove(RemoveRequest { containers: words, force, volumes }))
    }
}
