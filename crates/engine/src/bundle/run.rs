//! `run`: create and start in one, and unless detached stay until the end.

use std::os::fd::{AsFd, BorrowedFd};

use oci::runtime::Status;

use super::delete::{clear, terminate};
use super::foreground;
use super::home::Runtime;
use super::make::{Made, Starter, make};
use super::request::RunRequest;
use crate::container::Terminal;
use crate::error::{Doing, Result};

/// Runs a container. Returns its exit code, or nothing where it was detached from; what is weaker than asked for is
/// told by `terminal.warn`.
pub fn run(runtime: &Runtime, request: &RunRequest, terminal: &Terminal<'_>) -> Result<Option<u8>> {
    let id = &request.create.id;
    let starter = if request.detach { Starter::Caller } else { Starter::Foreground { size: terminal.size } };
    let Made { created, record, hooks, master, warnings } = make(runtime, &request.create, starter)?;
    warnings.iter().for_each(|warning| (terminal.warn)(warning));
    let pid = created.pid;
    let started = created.start().doing(|| format!("cannot start container `{id}`"));
    let started = started.and_then(|pidfd| {
        runtime::run_hooks("poststart", &hooks.poststart, &record.state(Status::Running))?;
        Ok(pidfd)
    });
    let pidfd = match started {
        Ok(pidfd) => pidfd,
        Err(error) => {
            // It has ended, or has to: nothing stays of it.
            terminate(&record)?;
            sys::process::wait(pid)?;
            clear(runtime, &runtime.find(id)?)?;
            return Err(error);
        }
    };
    if request.detach {
        return Ok(None);
    }
    let master: Option<BorrowedFd<'_>> = master.as_ref().map(AsFd::as_fd);
    foreground::until_end(&pidfd, master, terminal)?;
    let code = sys::process::wait(pid)?.code();
    if request.keep {
        // Others of the container must not outlive it all the same.
        terminate(&record)?;
    } else {
        let (container, _lock) = runtime.find_locked(id)?;
        clear(runtime, &container)?.iter().for_each(|warning| (terminal.warn)(warning));
    }
    Ok(Some(code))
}
