//! Containers and images as layers.

use engine::request::{CopyRequest, CopySide};
use engine::{Engine, container, image};

use super::{failure, show, warn};
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
