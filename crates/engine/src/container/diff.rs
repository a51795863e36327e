//! `diff`: what a container has changed of its image's files.

use image::FileChange;

use super::find::find;
use crate::error::{Doing, Result};
use crate::paths::Engine;
use crate::request::DiffRequest;

/// Where the engine makes files and directories to mount something over them: empty ones are no change of a container's.
pub(crate) const STUBS: [&str; 9] =
    ["dev", "etc", "etc/hostname", "etc/hosts", "etc/resolv.conf", "proc", "sbin", "sbin/docker-init", "sys"];

/// Lists what a container has changed, sorted by path. It runs on meanwhile.
pub fn diff(engine: &Engine, request: &DiffRequest) -> Result<Vec<FileChange>> {
    let record = find(engine, &request.container)?.record;
    crate::image::open(engine)?
        .changes(&record.id, &STUBS)
        .doing(|| format!("cannot look at the changes of container `{}`", record.name))
}
