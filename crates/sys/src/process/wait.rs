//! Children that have ended: reaping, and what the kernel says of the end.

use std::io;

use super::Pid;
use crate::{Context, Result};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    Code(u8),
    Signal(u8),
}

impl ExitStatus {
    /// Decodes the raw word of wait(2).
    pub fn from_wait(status: i32) -> Self {
        if libc::WIFSIGNALED(status) {
            Self::Signal(libc::WTERMSIG(status) as u8)
        } else {
            Self::Code(libc::WEXITSTATUS(status) as u8)
        }
    }

    /// Returns the shell's exit code: 128 + n for a signal.
    pub fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

/// Waits for one child and returns how it ended.
pub fn wait(pid: Pid) -> Result<ExitStatus> {
    let (_, status) = wait_raw(pid, 0)?;
    Ok(ExitStatus::from_wait(status))
}

/// Waits for any child; `None` when there is none left.
pub fn wait_any() -> Result<Option<(Pid, i32)>> {
    match wait_raw(-1, 0) {
        Ok(pair) => Ok(Some(pair)),
        Err(error) if error.errno() == Some(rustix::io::Errno::CHILD) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reaps one ended child without waiting; `None` when none has ended.
pub fn try_wait_any() -> Result<Option<(Pid, i32)>> {
    match wait_raw(-1, libc::WNOHANG) {
        Ok((0, _)) => Ok(None),
        Ok(pair) => Ok(Some(pair)),
        Err(error) if error.errno() == Some(rustix::io::Errno::CHILD) => Ok(None),
        Err(error) => Err(error),
    }
}

fn wait_raw(pid: Pid, options: i32) -> Result<(Pid, i32)> {
    loop {
        let mut status = 0;
        // __WALL: children made with CLONE_PARENT may carry another exit signal than SIGCHLD.
        // SAFETY: `status` is a valid out pointer.
        let got = unsafe { libc::waitpid(pid, &raw mut status, options | libc::__WALL) };
        if got >= 0 {
            return Ok((got, status));
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::EINTR) {
            return Err(error).context(|| format!("cannot wait for process {pid}"));
        }
    }
}
