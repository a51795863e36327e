//! The caller's input on its way to a process of ours, which may not read it yet.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

/// Moves bytes without ever waiting for the process: it may itself wait until its output is read.
#[derive(Debug)]
pub(crate) struct Feed<'a> {
    source: BorrowedFd<'a>,
    /// Absent once either side has ended.
    target: Option<OwnedFd>,
    waiting: Vec<u8>,
}

impl<'a> Feed<'a> {
    pub(crate) fn new(source: BorrowedFd<'a>, target: Option<OwnedFd>) -> Self {
        if let Some(target) = &target {
            let _ = rustix::io::ioctl_fionbio(target, true);
        }
        Self { source, target, waiting: Vec::new() }
    }

    /// What to wait for before going on: more to read, or room for what was read.
    pub(crate) fn interest(&self) -> Option<PollFd<'_>> {
        let target = self.target.as_ref()?;
        Some(match self.waiting.is_empty() {
            true => PollFd::from_borrowed_fd(self.source, PollFlags::IN),
            false => PollFd::new(target, PollFlags::OUT),
        })
    }

    /// Reads where nothing waits, and writes what there is room for.
    pub(crate) fn go_on(&mut self) {
        let Some(target) = &self.target else { return };
        if self.waiting.is_empty() {
            let mut buffer = [0u8; 16 * 1024];
            match rustix::io::read(self.source, &mut buffer) {
                Err(Errno::INTR | Errno::AGAIN) => return,
                Ok(count) if count > 0 => self.waiting.extend_from_slice(&buffer[..count]),
                _ => {
                    self.target = None;
                    return;
                }
            }
        }
        match rustix::io::write(target, &self.waiting) {
            Ok(count) => drop(self.waiting.drain(..count)),
            Err(Errno::INTR | Errno::AGAIN) => {}
            // Nobody reads any more.
            Err(_) => self.target = None,
        }
    }
}
