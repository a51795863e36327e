//! `image layers`: what each layer of an image did.

use engine::request::ImageLayersRequest;

use super::ImageCommand;
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::Read;
use crate::grammar::format::{self, Format};
use crate::parse::{Arguments, Words};
use crate::print::LayersView;

/// Arguments of `image layers`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// List the files of each layer
    #[arg(long)]
    files: bool,
    /// Format output: 'table', 'table TEMPLATE', 'json' or a Go template
    #[arg(long, value_parser = format::parse_rows)]
    format: Option<Format>,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
}

impl Arguments for Args {
    const WORDS: Words = Words::Exactly(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let image = words.into_iter().next().unwrap_or_default();
        let view = LayersView {
            format: self.format.unwrap_or_default(),
            files: self.files,
            truncate: !self.no_trunc,
        };
        Ok(Command::Image(ImageCommand::Layers(ImageLayersRequest { image }, view)))
    }
}
