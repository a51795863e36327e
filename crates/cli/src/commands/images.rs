//! `images`: the list of images.

use engine::request::ImagesRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::Read;
use crate::grammar::filter;
use crate::grammar::format::{self, Format};
use crate::grammar::key_value::Pair;
use crate::options::{Refusal, Refused, Table};
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
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = filter::parse)]
    filter: Vec<Pair>,
    /// Format output: 'table', 'table TEMPLATE', 'json' or a Go template
    #[arg(long, value_parser = format::parse_rows)]
    format: Option<Format>,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only show image IDs
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    refused: Refused<OfImages>,
}

struct OfImages;

impl Table for OfImages {
    const ROWS: &'static [Refusal] = &[Refusal::switch("tree", "images are listed one by one")];
}

impl Arguments for Args {
    const WORDS: Words = Words::AtMost(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        self.refused.check()?;
        let mut request = ImagesRequest { all: self.all, references: words, ..ImagesRequest::default() };
        filter::apply_to_images(&self.filter, &mut request)?;
        let view = ImagesView {
            format: self.format.unwrap_or_default(),
            quiet: self.quiet,
            truncate: !self.no_trunc,
            digests: self.digests,
        };
        Ok(Command::Images(request, view))
    }
}
