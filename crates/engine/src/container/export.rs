//! `export`: a container's whole file system as a tar, without what is mounted into it.

use std::io::Write;

use oci::rootfs::Overlay;

use super::find::find;
use super::record::ContainerRecord;
use crate::error::{Doing, Result};
use crate::output::Output;
use crate::paths::Engine;
use crate::request::ExportRequest;

/// Writes the file system of a container to a file, or to `stdout`. It runs on meanwhile.
pub fn export(engine: &Engine, request: &ExportRequest, stdout: &mut (dyn Write + Send)) -> Result<()> {
    let record = find(engine, &request.container)?.record;
    let export = |sink: &mut (dyn Write + Send)| {
        let view = view(&record)?;
        Ok(image::write_tree(&view, sink)?)
    };
    let outcome = match &request.output {
        Some(path) => Output::create(path).and_then(|mut output| {
            export(&mut output)?;
            output.commit()
        }),
        None => export(stdout),
    };
    outcome.doing(|| format!("cannot export container `{}`", record.name))
}

/// The layers of a container with what it has written, as one tree that no path leads to and nothing is written by.
pub(crate) fn view(record: &ContainerRecord) -> Result<sys::Dir> {
    let overlay = crate::image::overlay(record)?;
    let upper = overlay.upper.iter().map(|upper| upper.upper.clone());
    let lowers = upper.chain(overlay.lowers.iter().cloned()).collect();
    let mount = volume::stack(&Overlay { lowers, upper: None, store: overlay.store.clone() })?;
    Ok(sys::Dir::from_fd(mount, "/"))
}
