//! `image inspect`: everything about an image, as JSON.

use engine::request::{ImageInspectRequest, Platform};

use super::Command;
use crate::caller::Caller;
use crate::grammar::format::{self, Format};
use crate::grammar::{Read, platform};
use crate::parse::{Arguments, Words};

/// Arguments of `image inspect`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Format output: 'json' or a Go template
    #[arg(short, long, value_parser = format::parse)]
    format: Option<Format>,
    /// Inspect a specific platform of the multi-platform image
    #[arg(long, value_parser = platform::parse)]
    platform: Option<Platform>,
}

impl Arguments for Args {
    const WORDS: Words = Words::AtLeast(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let Self { format, platform } = self;
        Ok(Command::ImageInspect(ImageInspectRequest { images: words, platform }, format.unwrap_or_default()))
    }
}
