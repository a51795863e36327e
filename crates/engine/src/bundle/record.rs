//! What is kept of a container, and the states that follow from it and from the kernel.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use oci::runtime::{State, Status};
use serde::{Deserialize, Serialize};
use store::{Durability, Lock};
use supervisor::status::boot_id;
use sys::Dir;

use super::home::{Container, LOCK, START, STATE};
use super::{group, process};
use crate::error::{Error, Result};

/// `state.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) id: String,
    /// The first process; 0 until there is one.
    pub(super) pid: i32,
    /// When it started: tells it from a later process of the same number.
    pub(super) start_ticks: u64,
    /// What pid and cgroup mean ends with the boot, whatever the state lies on.
    pub(super) boot_id: String,
    pub(super) bundle: PathBuf,
    pub(super) rootfs: PathBuf,
    /// RFC 3339.
    pub(super) created: String,
    pub(super) annotations: BTreeMap<String, String>,
    /// The cgroup's directories by hierarchy; none where there is no cgroup.
    pub(super) cgroup: BTreeMap<String, String>,
    /// Whether its processes end with the first one.
    pub(super) own_pid_namespace: bool,
    /// Whether `config.json` names hooks of a later stage.
    pub(super) has_hooks: bool,
}

impl store::Record for Record {
    const KIND: &'static str = "container state";
    const VERSION: u32 = 1;
}

/// What `state` and `list` show: the document of the specification, and what runc adds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StateView {
    pub oci_version: &'static str,
    pub id: String,
    pub pid: i32,
    pub status: Status,
    pub bundle: PathBuf,
    pub rootfs: PathBuf,
    pub created: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    pub owner: String,
}

impl Record {
    pub(super) fn load(dir: &Dir) -> Result<Option<Self>> {
        match store::read_record(dir, STATE) {
            Ok(record) => Ok(Some(record)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes the record; it dies with the boot, as the container does.
    pub(super) fn save(&self, dir: &Dir) -> Result<()> {
        Ok(store::write_record(dir, STATE, self, Durability::Volatile)?)
    }

    /// Returns the document that hooks are told.
    pub(super) fn state(&self, status: Status) -> State {
        State {
            oci_version: oci::runtime::SPEC_VERSION.to_owned(),
            id: self.id.clone(),
            status,
            pid: if status == Status::Stopped { 0 } else { self.pid },
            bundle: self.bundle.clone(),
            annotations: self.annotations.clone(),
        }
    }

    /// Opens the cgroup, if there is one.
    pub(super) fn group(&self) -> Option<cgroup::Group> {
        if self.boot_id != boot_id() {
            return None;
        }
        group::reopen(&self.cgroup)
    }

    /// Whether the first process is alive: same pid, same start time, same boot.
    pub(super) fn is_alive(&self) -> bool {
        self.pid > 0 && process::is_alive(self.pid, self.start_ticks) && self.boot_id == boot_id()
    }

    /// Opens the first process, if it is alive.
    pub(super) fn open_process(&self) -> Option<OwnedFd> {
        let pidfd = sys::process::open_pidfd(self.pid).ok()?;
        // Looked at after opening: from here on the descriptor cannot turn into another process.
        self.is_alive().then_some(pidfd)
    }
}

impl Container {
    pub(super) fn status(&self) -> Result<Status> {
        let record = &self.record;
        if record.pid == 0 {
            let being_made = Lock::is_held(&self.dir, LOCK)?;
            return Ok(if being_made { Status::Creating } else { Status::Stopped });
        }
        if !record.is_alive() {
            return Ok(Status::Stopped);
        }
        if record.group().is_some_and(|group| group.frozen().unwrap_or(false)) {
            return Ok(Status::Paused);
        }
        Ok(if self.dir.exists(START)? { Status::Created } else { Status::Running })
    }

    /// The status for whoever holds the lock: nobody else creates it then.
    pub(super) fn status_under_lock(&self) -> Result<Status> {
        if self.record.pid == 0 { Ok(Status::Stopped) } else { self.status() }
    }

    /// Refuses a container whose program does not run, with the word that callers look for.
    pub(super) fn must_run(&self, verb: &str) -> Result<Status> {
        let status = self.status()?;
        match status {
            Status::Creating | Status::Stopped => Err(Error::conflict(format!(
                "cannot {verb} container `{}`: container not running: it is {status}",
                self.record.id
            ))),
            _ => Ok(status),
        }
    }

    pub(super) fn view(&self) -> Result<StateView> {
        let status = self.status()?;
        let record = self.record.clone();
        let owner = self.dir.stat_self()?.st_uid;
        Ok(StateView {
            oci_version: oci::runtime::SPEC_VERSION,
            pid: if status == Status::Stopped { 0 } else { record.pid },
            id: record.id,
            status,
            bundle: record.bundle,
            rootfs: record.rootfs,
            created: record.created,
            annotations: record.annotations,
            owner: crate::processes::user_name(owner),
        })
    }
}
