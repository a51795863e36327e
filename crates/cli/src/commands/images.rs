//! `images`: the list of images.

use engine::request::ImagesRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::{Read, filter, time};
use crate::options::{ListOptions, Listed, Refusal, Refused, Table};
use crate::parse::{Arguments, Words};
use crate::print::ImagesView;

/// Arguments of `images`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Show all images (default hides intermediate images)
    #[arg(short, long)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    #[command(flatten)]
    list: ListOptions<Images>,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    #[command(flatten)]
    refused: Refused<OfImages>,
}

struct OfImages;

impl Table for OfImages {
    const ROWS: &'static [Refusal] = &[Refusal::switch("tree", "images are listed one by one")];
}

#[derive(Debug, Clone)]
enum Images {}

impl Listed for Images {
    const FILTERS: &'static [&'static str] = filter::IMAGES;
    const IDENTITY: &'static str = "image IDs";
}

impl Arguments for Args {
    const WORDS: Words = Words::AtMost(1);

    fn command(self, words: Vec<String>, caller: &dyn Caller) -> Read<Command> {
        self.refused.check()?;
        let mut request = ImagesRequest { all: self.all, references: words, ..ImagesRequest::default() };
        let moment = |text: &str| time::parse(text, caller.now(), || caller.zone());
        filter::apply_to_images(&self.list.filter, moment, &mut request)?;
        let view = ImagesView {
            format: self.list.format,
            quiet: self.list.quiet,
            truncate: !self.no_trunc,
            digests: self.digests,
        };
        Ok(Command::Images(request, view))
    }
}
