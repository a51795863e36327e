//! Containers and images as layers.

use engine::request::{CopyRequest, CopySide, ForkRequest, PruneSystemRequest};
use engine::{Engine, container, image, system};

use super::{Heard, Session, clock, confirmed, failure, show, show_formatted, warn};
use crate::commands::ImageCommand;
use crate::error::Failure;
use crate::print;

pub(super) fn commit(engine: &Engine, request: &engine::request::CommitRequest) -> Result<u8, Failure> {
    let committed = container::commit(engine, request).map_err(|error| failure(&error, 1))?;
    committed.warnings.iter().for_each(|warning| warn(warning));
    show(&format!("{}\n", committed.id))
}

pub(super) fn diff(engine: &Engine, request: &engine::request::DiffRequest) -> Result<u8, Failure> {
    let changes = container::diff(engine, request).map_err(|error| failure(&error, 1))?;
    show(&changes.iter().map(|change| format!("{change}\n")).collect::<String>())
}

pub(super) fn export(engine: &Engine, request: &engine::request::ExportRequest) -> Result<u8, Failure> {
    container::export(engine, request, &mut crate::output::Raw).map_err(|error| failure(&error, 1))?;
    Ok(0)
}

pub(super) fn save(engine: &Engine, request: &engine::request::SaveRequest) -> Result<u8, Failure> {
    image::save(engine, request, &mut crate::output::Raw).map_err(|error| failure(&error, 1))?;
    Ok(0)
}

pub(super) fn cp(engine: &Engine, request: &CopyRequest) -> Result<u8, Failure> {
    let copied = container::cp(engine, request, std::io::stdin(), &mut crate::output::Raw);
    let bytes = copied.map_err(|error| failure(&error, 1))?;
    if !request.quiet {
        let to = match &request.to {
            CopySide::Container { name, path } => format!("{name}:{}", path.display()),
            CopySide::Host(path) => path.display().to_string(),
            CopySide::Pipe => return Ok(0),
        };
        crate::output::stderr(&format!("Successfully copied {} to {to}\n", print::human::size(bytes, 4)));
    }
    Ok(0)
}

pub(super) fn image(engine: &Engine, command: ImageCommand) -> Result<u8, Failure> {
    match command {
        ImageCommand::Layers(request, view) => {
            let (record, reports) = image::layers(engine, &request).map_err(|error| failure(&error, 1))?;
            show_formatted(print::layers(&record, &reports, &view))
        }
        ImageCommand::Rollback(request) => {
            let id = image::rollback(engine, &request).map_err(|error| failure(&error, 1))?;
            show(&format!("{id}\n"))
        }
        ImageCommand::TagHistory(name) => {
            let entries = image::tag_history(engine, &name).map_err(|error| failure(&error, 1))?;
            show(&print::tag_history(&entries, &clock()))
        }
        ImageCommand::Tree { truncate } => {
            let forest = image::tree(engine).map_err(|error| failure(&error, 1))?;
            show(&print::image_tree(&forest, truncate))
        }
        ImageCommand::Prune { request, ask } => {
            let what = match request.all {
                true => "all images without at least one container associated to them",
                false => "all dangling images",
            };
            if ask && !confirmed(&format!("This will remove {what}.")) {
                return Err(Failure::new(1, "image prune has been cancelled"));
            }
            let pruned = image::prune(engine, &request).map_err(|error| failure(&error, 1))?;
            show(&print::pruned_images(&pruned))
        }
    }
}

pub(super) fn prune(engine: &Engine, request: &PruneSystemRequest, ask: bool) -> Result<u8, Failure> {
    let mut what = vec!["all stopped containers", "all networks not used by at least one container"];
    if request.volumes {
        what.push("all anonymous volumes not used by at least one container");
    }
    what.push(match request.all {
        true => "all images without at least one container associated to them",
        false => "all dangling images",
    });
    let list: String = what.iter().map(|line| format!("\n  - {line}")).collect();
    if ask && !confirmed(&format!("This will remove:{list}\n")) {
        return Err(Failure::new(1, "system prune has been cancelled"));
    }
    let pruned = system::prune(engine, request).map_err(|error| failure(&error, 1))?;
    show(&print::pruned_system(&pruned))
}

pub(super) fn fork(engine: &Engine, request: &ForkRequest) -> Result<u8, Failure> {
    let session = Session::new(Heard::Nothing).map_err(|error| Failure::from_error(&error, 1))?;
    let forked = container::fork(engine, request, &session.terminal()).map_err(|error| failure(&error, 1))?;
    forked.warnings.iter().for_each(|warning| warn(warning));
    show(&forked.names.iter().map(|name| format!("{name}\n")).collect::<String>())
}
