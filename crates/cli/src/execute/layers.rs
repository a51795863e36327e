//! Containers and images as layers.

use engine::{Engine, container, image};

use super::{failure, show, warn};
use crate::error::Failure;

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
