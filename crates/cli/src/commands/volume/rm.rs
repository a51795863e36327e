//! `volume rm`: delete volumes and what is in them.

use engine::request::RemoveVolumesRequest;

use super::VolumeCommand;
use crate::commands::Command;
use crate::commands::removal::{self, Removable};

/// Arguments of `volume rm`.
pub(crate) type Args = removal::Args<Volumes>;

#[derive(Debug, Clone)]
pub(crate) enum Volumes {}

impl Removable for Volumes {
    fn remove(volumes: Vec<String>, force: bool) -> Command {
        Command::Volume(VolumeCommand::Remove(RemoveVolumesRequest { volumes, force }))
    }
}
