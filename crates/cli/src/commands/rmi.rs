//! `rmi`: remove names of images, and images without a name.

use engine::request::RemoveImagesRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::Read;
use crate::options::{Refusal, Refused, Table};
use crate::parse::{Arguments, Words};

/// Arguments of `rmi`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Force removal of the image
    #[arg(short, long)]
    force: bool,
    /// Do not delete untagged parents
    #[arg(long)]
    no_prune: bool,
    #[command(flatten)]
    refused: Refused<OfRmi>,
}

struct OfRmi;

impl Table for OfRmi {
    const ROWS: &'static [Refusal] =
        &[Refusal::value("platform", "an image is removed with all its platforms")];
}

impl Arguments for Args {
    const WORDS: Words = Words::AtLeast(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        self.refused.check()?;
        let Self { force, no_prune, .. } = self;
        Ok(Command::RemoveImages(RemoveImagesRequest { images: words, force, no_prune }))
    }
}
