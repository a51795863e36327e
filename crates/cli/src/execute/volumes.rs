//! Carries commands about volumes out.

use engine::request::PruneVolumesRequest;
use engine::{Engine, volume};

use super::{confirmed, each, failure, show, show_formatted, show_objects};
use crate::commands::VolumeCommand;
use crate::error::Failure;
use crate::print;

pub(super) fn execute(engine: &Engine, command: VolumeCommand) -> Result<u8, Failure> {
    match command {
        VolumeCommand::Create(request) => {
            let name = volume::create(engine, &request).map_err(|error| failure(&error, 1))?;
            show(&format!("{name}\n"))
        }
        VolumeCommand::Inspect(names, format) => {
            let objects = names.into_iter().map(|name| {
                let object = volume::inspect(engine, &name);
                (name, object)
            });
            show_objects(objects.collect(), &format)
        }
        VolumeCommand::List(request, view) => {
            let rows = volume::list(engine, &request).map_err(|error| failure(&error, 1))?;
            show_formatted(print::volumes(&rows, &view))
        }
        VolumeCommand::Prune { request, ask } => prune(engine, &request, ask),
        VolumeCommand::Remove(request) => each(volume::remove(engine, &request)),
    }
}

fn prune(engine: &Engine, request: &PruneVolumesRequest, ask: bool) -> Result<u8, Failure> {
    let which = if request.all { "all" } else { "anonymous" };
    let warning = format!("This will remove {which} local volumes not used by at least one container.");
    if ask && !confirmed(&warning) {
        return Err(Failure::new(1, "volume prune has been cancelled"));
    }
    let pruned = volume::prune(engine, request).map_err(|error| failure(&error, 1))?;
    show(&print::pruned(&pruned))
}
