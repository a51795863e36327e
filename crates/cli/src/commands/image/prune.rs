//! `image prune`: remove images that no container uses.

use engine::request::PruneImagesRequest;

use super::ImageCommand;
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::Read;
use crate::options::{ByAge, PruneOptions};
use crate::parse::{Arguments, Words};

/// Arguments of `image prune`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Remove all unused images, not just dangling ones
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    images: PruneOptions<ByAge>,
}

impl Arguments for Args {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, caller: &dyn Caller) -> Read<Command> {
        let request = PruneImagesRequest { all: self.all, which: self.images.by_age(caller)? };
        Ok(Command::Image(ImageCommand::Prune { request, ask: self.images.asks() }))
    }
}
