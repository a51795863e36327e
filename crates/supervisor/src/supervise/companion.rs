//! The guardian, as its supervisor sees it: it tells of the ends of its children, and is replaced when it was killed.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::Context;
use sys::process::{self, ExitStatus, Pid};

use super::clients::Clients;
use super::ending::record_end;
use super::{Assignment, group};
use crate::guardian::{END_OF_INPUT, Successor, succeed};
use crate::job::Job;
use crate::status::{self, Status};

/// The guardian that the supervisor has now.
pub(super) struct Companion<'a> {
    assignment: &'a Assignment<'a>,
    /// The ends of its children; its end of file is the guardian's own.
    exits: OwnedFd,
    /// The guardian in the place of one that was killed, if that was in our time.
    successor: Option<Successor>,
}

/// What a guardian tells.
pub(super) enum Notice {
    /// A child of its has ended.
    Ended { pid: Pid, status: ExitStatus },
    /// Nothing any more: it was killed.
    Gone,
}

impl<'a> Companion<'a> {
    pub(super) fn new(assignment: &'a Assignment<'a>) -> sys::Result<Self> {
        let exits = assignment.exits.try_clone().context(|| "cannot keep a pipe".into())?;
        Ok(Self { assignment, exits, successor: None })
    }

    /// Reads the next notice.
    pub(super) fn hear(&self) -> Option<Notice> {
        read_notice(&self.exits)
    }

    /// Whether the container's first process is its child, whose end it tells of.
    pub(super) fn is_parent(&self) -> bool {
        self.assignment.process.is_none() && self.successor.is_none()
    }

    /// Makes another one in its place; `None` where that is not possible.
    pub(super) fn replace(&mut self, process: BorrowedFd<'_>, status: &Status) -> Option<Pid> {
        // Reaped before another takes its place.
        self.successor = None;
        let mut successor = succeed(self.assignment, process, status).ok()?;
        std::mem::swap(&mut self.exits, &mut successor.exits);
        Some(self.successor.insert(successor).pid)
    }

    /// Lets go of the input's writing end wherever it is held.
    pub(super) fn tell_of_ended_input(&self) {
        if let Some(stdin) = &self.assignment.holdings.stdin {
            sys::signals::empty_now(stdin.as_fd());
        }
        let own = self.successor.as_ref().map(|successor| &successor.pidfd);
        if let Some(guardian) = own.or(self.assignment.guardian_fd) {
            let _ = process::signal(guardian.as_fd(), END_OF_INPUT);
        }
    }
}

impl AsFd for Companion<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.exits.as_fd()
    }
}

fn read_notice(exits: &OwnedFd) -> Option<Notice> {
    let mut notice = [0u8; 8];
    match rustix::io::read(exits, &mut notice) {
        Ok(8) => {
            let [a, b, c, d, e, f, g, h] = notice;
            let status = ExitStatus::from_wait(i32::from_le_bytes([e, f, g, h]));
            Some(Notice::Ended { pid: i32::from_le_bytes([a, b, c, d]), status })
        }
        Ok(_) => Some(Notice::Gone),
        Err(_) => None,
    }
}

/// Finds how the process ended that no guardian is the parent of: the zombie's own word (field 52 of
/// `/proc/PID/stat`), else what the kernel keeps behind the pidfd after reaping (Linux 6.15).
pub(super) fn end_of_stranger(status: &Status, pidfd: BorrowedFd<'_>) -> ExitStatus {
    let raw = status::process_facts(status.pid)
        .filter(|facts| facts.dead && facts.start_ticks == status.start_ticks)
        .and_then(|facts| facts.exit_status)
        .or_else(|| process::exit_status_of(pidfd));
    raw.map_or(ExitStatus::Code(255), ExitStatus::from_wait)
}

/// Records the end of a container whose process was gone when this supervisor began. Returns the supervisor's exit code.
pub(super) fn record_missed_end(assignment: &Assignment<'_>, job: Job, status: Status) -> i32 {
    let mut ended = None;
    while let Some(Notice::Ended { pid, status: end }) = read_notice(assignment.exits) {
        if pid == status.pid {
            ended = Some(end);
            break;
        }
    }
    let group = group::open(&job, assignment.holdings);
    let end = ended.unwrap_or(ExitStatus::Code(255));
    record_end(assignment, &job, status, group.as_ref(), end, &mut Clients::default())
}
