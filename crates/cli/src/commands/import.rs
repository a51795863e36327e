//! `import`: an image from one file system archive.

use std::path::PathBuf;

use engine::request::{ImportChange, ImportRequest, Platform};

use super::Command;
use crate::caller::Caller;
use crate::grammar::{Invalid, Read, change, platform};
use crate::parse::{Arguments, Words};

/// Arguments of `import`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Apply Dockerfile instruction to the created image
    #[arg(short, long, value_name = "INSTRUCTION", value_parser = change::parse)]
    change: Vec<ImportChange>,
    /// Set commit message for imported image
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Set platform of the image
    #[arg(long, value_parser = platform::parse)]
    platform: Option<Platform>,
}

impl Arguments for Args {
    const WORDS: Words = Words::Between(1, 2);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let Self { change, message, platform } = self;
        let mut words = words.into_iter();
        let source = words.next().unwrap_or_default();
        if source.starts_with("http://") || source.starts_with("https://") {
            return Err(Invalid::new(format!("`{source}`: importing from the network is not supported"))
                .hint("fetch it first and pipe it in: curl URL | coracle import - NAME"));
        }
        let source = (source != "-").then(|| PathBuf::from(source));
        let reference = words.next().filter(|reference| !reference.is_empty());
        Ok(Command::Import(ImportRequest { source, reference, changes: change, message, platform }))
    }
}
