//! Stands in for the network crate's own watch until that is there: hears of nothing.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};
use sys::Context;

#[derive(Debug)]
pub(super) struct Watch([OwnedFd; 2]);

impl Watch {
    pub(super) fn open() -> sys::Result<Self> {
        let open = || eventfd(0, EventfdFlags::CLOEXEC).context(|| "cannot make an event counter".into());
        Ok(Self([open()?, open()?]))
    }

    pub(super) fn fds(&self) -> [BorrowedFd<'_>; 2] {
        self.0.each_ref().map(AsFd::as_fd)
    }

    pub(super) fn drain(&self) {}
}
