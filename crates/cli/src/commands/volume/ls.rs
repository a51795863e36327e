//! `volume ls`: the list of volumes.

use engine::request::VolumesRequest;

use super::VolumeCommand;
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::{Read, filter};
use crate::options::{ListOptions, Listed};
use crate::parse::{Arguments, Words};
use crate::print::VolumesView;

/// Arguments of `volume ls`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    list: ListOptions<Volumes>,
}

#[derive(Debug, Clone)]
enum Volumes {}

impl Listed for Volumes {
    const FILTERS: &'static [&'static str] = filter::VOLUMES;
    const IDENTITY: &'static str = "volume names";
}

impl Arguments for Args {
    const WORDS: Words = Words::None;

    fn command(self, _: Vec<String>, _: &dyn Caller) -> Read<Command> {
        let mut request = VolumesRequest::default();
        filter::apply_to_volumes(&self.list.filter, &mut request)?;
        let view = VolumesView { format: self.list.format, quiet: self.list.quiet };
        Ok(Command::Volume(VolumeCommand::List(request, view)))
    }
}
