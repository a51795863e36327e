//! Processes as the host sees them: whether one is still the one that was meant, and whose it is.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use supervisor::status::process_facts;

/// Whether a process is alive and the one that started then.
pub(super) fn is_alive(pid: i32, start_ticks: u64) -> bool {
    process_facts(pid).is_some_and(|facts| facts.start_ticks == start_ticks && !facts.dead)
}

/// Returns when a process started, in ticks since the boot.
pub(super) fn start_ticks(pid: i32) -> u64 {
    process_facts(pid).map_or(0, |facts| facts.start_ticks)
}

/// Waits for the end of a process; returns whether it came in time.
pub(super) fn ends_within(pidfd: &OwnedFd, time: Duration) -> bool {
    let timeout = Timespec::try_from(time).ok();
    loop {
        match poll(&mut [PollFd::new(pidfd, PollFlags::IN)], timeout.as_ref()) {
            Ok(ready) => return ready > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}
