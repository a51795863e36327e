//! `kill`: sends a signal.

use std::os::fd::AsFd;

use rustix::process::Signal;

use super::home::Runtime;
use super::request::KillRequest;
use crate::error::{Error, Result};

/// Signals a container's first process, or all of them.
pub fn kill(runtime: &Runtime, request: &KillRequest) -> Result<()> {
    let container = runtime.find(&request.id)?;
    let record = &container.record;
    let number = request.signal.number();
    // Without a pid namespace the others would live on.
    let all = request.all || (number == libc::SIGKILL && !record.own_pid_namespace);
    let process = record.open_process();
    if process.is_none() && !request.all {
        container.must_run("signal")?;
    }
    let group = record.group();
    if all {
        let signal = Signal::from_named_raw(number)
            .ok_or_else(|| Error::unsupported(format!("signal {number} cannot be sent to all processes")))?;
        match &group {
            Some(group) => group.kill(signal)?,
            None if process.is_some() => {
                return Err(Error::unsupported("--all needs the container's cgroup, and it has none"));
            }
            None => {}
        }
        return Ok(());
    }
    let Some(pidfd) = process else { return Ok(()) };
    sys::process::signal(pidfd.as_fd(), number)?;
    if number == libc::SIGKILL
        && let Some(group) = &group
        && group.frozen().unwrap_or(false)
    {
        // A paused process on v1 would not even die.
        group.thaw()?;
    }
    Ok(())
}
