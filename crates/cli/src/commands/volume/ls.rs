//! `volume ls`: the list of volumes.

use engine::request::VolumesRequest;

use super::VolumeCommand;
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::{Read, filter};
use crate::options::{ListOptions, Listed, Refusal, Refused, Table};
use crate::parse::{Arguments, Words};
use crate::print::VolumesView;

/// Arguments of `volume ls`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    list: ListOptions<Volumes>,
    #[command(flatten)]
    refused: Refused<OfLs>,
}

#[derive(Debug, Clone)]
struct OfLs;

impl Table for OfLs {
    const ROWS: &'static [Refusal] = &[Refusal::switch("cluster", "there is no swarm")];
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
        self.refused.check()?;
        let mut request = VolumesRequest::default();
        filter::apply_to_volumes(&self.list.filter, &mut request)?;
        let view = VolumesView { format: self.list.format, quiet: self.list.quiet };
        Ok(Command::Volume(VolumeCommand::List(request, view)))
    }
}
