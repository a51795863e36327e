//! `save`: images as an archive.

use std::path::PathBuf;

use engine::request::{ArchiveFormat, Platform, SaveRequest};

use super::Command;
use super::export::destination;
use crate::caller::Caller;
use crate::grammar::{Invalid, Read, platform};
use crate::parse::{Arguments, Words};

/// Arguments of `save`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Write for one kind of reader only: docker-archive, oci-archive (default: both in one archive)
    #[arg(long, value_name = "FORMAT", value_parser = parse_format)]
    format: Option<ArchiveFormat>,
    /// Write to a file, instead of STDOUT
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Save only the given platform variant
    #[arg(long, value_parser = platform::parse)]
    platform: Option<Platform>,
}

fn parse_format(text: &str) -> Result<ArchiveFormat, Invalid> {
    match text {
        "docker-archive" | "docker" => Ok(ArchiveFormat::Docker),
        "oci-archive" | "oci" => Ok(ArchiveFormat::Oci),
        _ => Err(Invalid::new(format!("unknown archive format `{text}`"))
            .hint("use docker-archive or oci-archive")),
    }
}

impl Arguments for Args {
    const WORDS: Words = Words::AtLeast(1);

    fn command(self, words: Vec<String>, caller: &dyn Caller) -> Read<Command> {
        let output = destination(self.output, caller)?;
        let format = self.format.unwrap_or_default();
        Ok(Command::Save(SaveRequest { images: words, output, platform: self.platform, format }))
    }
}
