//! `volume ls`: the list of volumes.

use engine::request::VolumesRequest;

use super::VolumeCommand;
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::format::{self, Format};
use crate::grammar::key_value::Pair;
use crate::grammar::{Read, filter};
use crate::parse::{Arguments, Words};
use crate::print::VolumesView;

/// Arguments of `volume ls`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Provide filter values (dangling, driver, label, name)
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = filter::parse)]
    filter: Vec<Pair>,
    /// Format output: 'table', 'table TEMPLATE', 'json' or a Go template
    #[arg(long, value_parser = format::parse_rows)]
    format: Option<Format>,
    /// Only display volume names
    #[arg(short, long)]
    quiet: bool,
}

impl Arguments for Args {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let mut request = VolumesRequest::default();
        filter::apply_to_volumes(&self.filter, &mut request)?;
        let view = VolumesView { format: self.format.unwrap_or_default(), quiet: self.quiet };
        Ok(Command::Volume(VolumeCommand::List(request, view)))
    }
}
