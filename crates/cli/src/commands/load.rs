//! `load`: images from an archive that `save` wrote.

use std::path::PathBuf;

use engine::request::{LoadRequest, Platform};

use super::Command;
use crate::caller::Caller;
use crate::grammar::{Read, platform};
use crate::parse::{Arguments, Words};

/// Arguments of `load`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Read from tar archive file, instead of STDIN
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Load only the given platform variant
    #[arg(long, value_parser = platform::parse)]
    platform: Option<Platform>,
    /// Suppress the load output
    #[arg(short, long)]
    quiet: bool,
}

impl Arguments for Args {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, caller: &dyn Caller) -> Read<Command> {
        let input = self.input.filter(|input| !input.as_os_str().is_empty());
        if input.is_none() && caller.stdin_is_terminal() {
            return Err(crate::grammar::Invalid::new("requested load from stdin, but stdin is empty")
                .hint("give the archive with --input FILE"));
        }
        Ok(Command::Load(LoadRequest { input, platform: self.platform, quiet: self.quiet }))
    }
}
