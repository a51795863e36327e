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

/// Held while a container's record is changed.
pub(super) const LOCK: &str = "record.lock";

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

    /// The path of its cgroup, if it has one.
    pub(crate) fn cgroup(&self) -> Option<&str> {
        self.status.cgroup.as_deref()
    }
}

/// A container whose record nobody else changes.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) record: ContainerRecord,
    pub(crate) directory: Dir,
    status: Option<Status>,
    _lock: Lock,
}

impl Held {
    /// Its first process, where it runs.
    pub(crate) fn running(&self) -> Option<RunningContainer> {
        let status = self.status.as_ref()?;
        Some(RunningContainer { pidfd: status.open_process()?, status: status.clone() })
    }
}

/// Takes hold of a container's record.
pub(crate) fn hold(engine: &Engine, word: &str) -> Result<Held> {
    let found = find(engine, word)?;
    let directory = Dir::open(engine.container_dir(&found.record.id))?;
    let lock = Lock::exclusive(&directory, LOCK)?;
    // As whoever had the lock left it.
    let Some(container) = Container::load(engine, &found.record.id)? else {
        return Err(Error::not_found(format!("No such container: {word}")));
    };
    let status = container.status.as_ref().filter(|_| container.is_running()).cloned();
    Ok(Held { record: container.record, directory, status, _lock: lock })
}

/// Changes the record of a container while nobody else does; `change` is told of its process where it runs.
pub(crate) fn amend(
    engine: &Engine,
    word: &str,
    change: impl FnOnce(&mut ContainerRecord, Option<&RunningContainer>) -> Result<()>,
) -> Result<()> {
    let mut held = hold(engine, word)?;
    let running = held.running();
    change(&mut held.record, running.as_ref())?;
    let durability = durability(&held.record.request);
    Ok(store::write_record(&held.directory, "record.json", &held.record, durability)?)
}
