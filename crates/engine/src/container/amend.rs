//! Changes of a container's record, one at a time.

use std::os::fd::OwnedFd;

use store::Lock;
use supervisor::status::Status;
use sys::Dir;

use super::create::durability;
use super::find::{Container, find};
use super::record::ContainerRecord;
use crate::error::{Error, Result};
use crate::paths::Engine;

const LOCK: &str = "record.lock";

/// The first process of a container, pinned.
#[derive(Debug)]
pub(crate) struct RunningContainer {
    pub(crate) pidfd: OwnedFd,
    status: Status,
}

impl RunningContainer {
    pub(crate) fn is_alive(&self) -> bool {
        self.status.is_alive()
    }

    /// Whether its supervisor answers for names.
    pub(crate) fn answers_names(&self) -> bool {
        self.status.resolver_port.is_some()
    }
}

/// Changes the record of a container while nobody else does; `change` is told of its process where it runs.
pub(crate) fn amend(
    engine: &Engine,
    word: &str,
    change: impl FnOnce(&mut ContainerRecord, Option<&RunningContainer>) -> Result<()>,
) -> Result<()> {
    let found = find(engine, word)?;
    let directory = Dir::open(engine.container_dir(&found.record.id))?;
    let _lock = Lock::exclusive(&directory, LOCK)?;
    // As whoever had the lock left it.
    let Some(container) = Container::load(engine, &found.record.id)? else {
        return Err(Error::not_found(format!("No such container: {word}")));
    };
    let running =
        container.status.as_ref().filter(|_| container.is_running()).and_then(|status| {
            Some(RunningContainer { pidfd: status.open_process()?, status: status.clone() })
        });
    let mut record = container.record;
    change(&mut record, running.as_ref())?;
    Ok(store::write_record(&directory, "record.json", &record, durability(&record.request))?)
}
