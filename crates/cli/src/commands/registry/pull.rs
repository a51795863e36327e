//! `pull`: an image from a registry.

use engine::request::{Platform, PullRequest};

use super::RegistryCommand;
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::{Invalid, Read, platform};
use crate::options::{Refusal, Refused, Table};
use crate::parse::{Arguments, Words};

/// Arguments of `pull`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Download all tagged images in the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Set platform if the image has several
    #[arg(long, value_parser = platform::parse)]
    platform: Option<Platform>,
    /// Suppress verbose output
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    refused: Refused<OfPull>,
}

struct OfPull;

impl Table for OfPull {
    const ROWS: &'static [Refusal] = &[Refusal::switch(
        "disable-content-trust",
        "images are not signed yet, so there is nothing to disable",
    )
    .unless(&["true"])];
}

impl Arguments for Args {
    const WORDS: Words = Words::Exactly(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        self.refused.check()?;
        let reference = words.into_iter().next().unwrap_or_default();
        let name = reference.rsplit('/').next().unwrap_or_default();
        if self.all_tags && name.contains([':', '@']) {
            return Err(Invalid::new("tag can't be used with --all-tags/-a"));
        }
        let request = PullRequest { reference, all_tags: self.all_tags, platform: self.platform };
        Ok(Command::Registry(RegistryCommand::Pull { request, quiet: self.quiet }))
    }
}
