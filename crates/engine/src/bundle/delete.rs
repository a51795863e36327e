//! `delete`: removes what a container has left; with force, ends it first.

use std::os::fd::AsFd;
use std::time::Duration;

use oci::runtime::Status;

use super::config;
use super::home::{Container, Runtime, missing};
use super::process::ends_within;
use super::record::Record;
use crate::error::{Error, Result};

/// How long a killed process may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Deletes a container that has stopped or was never started; `force` any. Returns what hooks said against it.
pub fn delete(runtime: &Runtime, id: &str, force: bool) -> Result<Vec<String>> {
    let (container, _lock) = match runtime.find_locked(id) {
        Err(error) if force && error.class() == oci::class::Class::NotFound => {
            // Of one whose maker died there is a directory.
            if runtime.directory(id)?.is_some() {
                runtime.remove(id)?;
            }
            return Ok(Vec::new());
        }
        other => other?,
    };
    match container.status_under_lock()? {
        Status::Stopped | Status::Created => {}
        _ if force => {}
        status => {
            return Err(Error::conflict(format!(
                "cannot delete container {id} that is not stopped: {status}"
            ))
            .hint("`kill` it first, or use --force"));
        }
    }
    clear(runtime, &container)
}

/// Ends what still runs, then removes cgroup and state, the name last.
pub(super) fn clear(runtime: &Runtime, container: &Container) -> Result<Vec<String>> {
    let record = &container.record;
    let group = record.group();
    end_all(record, group.as_ref())?;
    if let Some(group) = &group {
        group.destroy()?;
    }
    let warnings = run_poststop(container);
    runtime.remove(&record.id)?;
    if container.path.exists() {
        return Err(missing(&record.id));
    }
    Ok(warnings)
}

/// Kills every process of a container and waits for the first one's end.
pub(super) fn terminate(record: &Record) -> Result<()> {
    end_all(record, record.group().as_ref())
}

fn end_all(record: &Record, group: Option<&cgroup::Group>) -> Result<()> {
    let process = record.open_process();
    if let Some(pidfd) = &process {
        sys::process::signal(pidfd.as_fd(), libc::SIGKILL)?;
    }
    if let Some(group) = group {
        group.kill(rustix::process::Signal::KILL)?;
    }
    if let Some(pidfd) = &process
        && !ends_within(pidfd, PATIENCE)
    {
        return Err(Error::conflict(format!(
            "container `{}` was killed and has not ended after {PATIENCE:?}",
            record.id
        )));
    }
    Ok(())
}

/// A failed hook keeps nobody from being deleted (runtime-spec 1.2, "Lifecycle").
fn run_poststop(container: &Container) -> Vec<String> {
    if !container.record.has_hooks {
        return Vec::new();
    }
    let run = || -> Result<()> {
        let hooks = runtime::plan_hooks(config::kept(&container.dir)?.hooks.as_ref())?;
        let state = container.record.state(Status::Stopped);
        for hook in &hooks.poststop {
            runtime::run_hooks("poststop", std::slice::from_ref(hook), &state)?;
        }
        Ok(())
    };
    run().err().map(|error| error.to_string()).into_iter().collect()
}
