//! `push`: an image to a registry.

use engine::request::PushRequest;

use super::RegistryCommand;
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::Read;
use crate::options::{Refusal, Refused, Table};
use crate::parse::{Arguments, Words};

/// Arguments of `push`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Push all tags of an image to the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Suppress verbose output
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    refused: Refused<OfPush>,
}

struct OfPush;

impl Table for OfPush {
    const ROWS: &'static [Refusal] = &[
        Refusal::switch("disable-content-trust", "images are not signed yet, so there is nothing to disable")
            .unless(&["true"]),
        Refusal::value("platform", "what goes out is what the name leads to"),
    ];
}

impl Arguments for Args {
    const WORDS: Words = Words::Exactly(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        self.refused.check()?;
        let reference = words.into_iter().next().unwrap_or_default();
        let request = PushRequest { reference, all_tags: self.all_tags };
        Ok(Command::Registry(RegistryCommand::Push { request, quiet: self.quiet }))
    }
}
