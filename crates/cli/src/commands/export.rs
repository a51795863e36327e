//! `export`: the files of a container as a tar.

use std::path::PathBuf;

use engine::request::ExportRequest;

use super::Command;
use crate::caller::Caller;
use crate::grammar::{Invalid, Read};
use crate::parse::{Arguments, Words};

/// Arguments of `export`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Write to a file, instead of STDOUT
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Arguments for Args {
    const WORDS: Words = Words::Exactly(1);

    fn command(self, words: Vec<String>, caller: &dyn Caller) -> Read<Command> {
        let output = destination(self.output, caller)?;
        let container = words.into_iter().next().unwrap_or_default();
        Ok(Command::Export(ExportRequest { container, output }))
    }
}

/// Where an archive goes: not to a terminal.
pub(crate) fn destination(output: Option<PathBuf>, caller: &dyn Caller) -> Read<Option<PathBuf>> {
    let output = output.filter(|output| !output.as_os_str().is_empty());
    if output.is_none() && caller.console().is_some() {
        return Err(Invalid::new("cowardly refusing to save to a terminal")
            .hint("use --output FILE, or redirect standard output"));
    }
    Ok(output)
}
