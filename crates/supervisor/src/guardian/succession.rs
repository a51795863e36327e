//! A guardian in the place of one that was killed: a fork of the supervisor that outlived it.
//!
//! ```text
//!   guardian ── killed              host's init
//!      ├── supervisor  ── fork ──>  │     supervisor ── guardian (waits for its parent's end)
//!      └── program                  └── program
//! ```
//! The program is the host's init's child from then on, or that of another sub-reaper of the caller's. Its end is known
//! through its pidfd, which guardian and supervisor both hold: what the zombie says of itself while it is one, and what
//! the kernel keeps behind the pidfd once it was reaped (Linux 6.15). The new guardian reaps the supervisors that it
//! starts itself; the first one it has is its parent, and tells it of its end by killing it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use sys::Context;
use sys::process::{self, CloneOptions, Pid};

use super::{Guardian, Stranger, become_guardian, exit_pipe, own_pidfd};
use crate::status::Status;
use crate::supervise::Assignment;

/// A guardian that is our child. It goes with us, unless we are killed.
#[derive(Debug)]
pub(crate) struct Successor {
    pub(crate) pid: Pid,
    pub(crate) pidfd: OwnedFd,
    /// Ends when it does.
    pub(crate) exits: OwnedFd,
}

/// Makes a guardian for the container whose first process this is, in the run that the status tells of. Called by a supervisor.
pub(crate) fn succeed(
    assignment: &Assignment<'_>,
    process: BorrowedFd<'_>,
    status: &Status,
) -> sys::Result<Successor> {
    let (exits, exit_writer) = exit_pipe()?;
    let supervisor = process::open_pidfd(std::process::id() as Pid)?;
    let process = process.try_clone_to_owned().context(|| "cannot keep the container's process".into())?;
    let kept = exits.try_clone().context(|| "cannot keep a pipe".into())?;
    let child = process::clone(CloneOptions::default(), || {
        let mut keep = assignment.holdings.descriptors();
        keep.push(assignment.job.as_fd());
        keep.extend(assignment.lock.map(AsFd::as_fd));
        keep.extend([&exits, &exit_writer, &process, &supervisor].map(AsFd::as_fd));
        // Clients must not wait for us, and the warden's lock goes with the supervisor. Their owners in this memory
        // are never dropped: a guardian leaves through `exit_now`.
        if process::close_all_but(&keep).and_then(|()| become_guardian()).is_err() {
            return 1;
        }
        let Ok(own) = own_pidfd(assignment.holdings) else { return 1 };
        wait_for_end(&supervisor);
        let guardian = Guardian {
            job: assignment.job,
            lock: assignment.lock,
            holdings: assignment.holdings,
            exits,
            exit_writer,
            process: Some(Stranger::new(process, status)),
            own,
        };
        guardian.accompany(None).unwrap_or(1)
    })?;
    Ok(Successor { pid: child.pid, pidfd: child.pidfd, exits: kept })
}

fn wait_for_end(supervisor: &OwnedFd) {
    loop {
        let mut fds = [PollFd::new(supervisor, PollFlags::IN)];
        if poll(&mut fds, None).is_ok() {
            return;
        }
    }
}

impl Drop for Successor {
    /// Lets it go: nothing is left to accompany.
    fn drop(&mut self) {
        let _ = process::signal(self.pidfd.as_fd(), libc::SIGKILL);
        let _ = process::wait(self.pid);
    }
}
