//! Being told when memory is wanting: by an eventfd on v1, which counts, by inotify on v2.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{Mode, OFlags, openat};

use crate::controller::Controller;
use crate::error::{Error, Result};
use crate::file;
use crate::group::Group;

/// Becomes readable when memory was wanting in a group; [`OomWatch::count`] then tells how often.
#[derive(Debug)]
pub struct OomWatch<'g> {
    group: &'g Group,
    fd: OwnedFd,
    /// Whether the descriptor itself tells how often (v1).
    counts: bool,
    seen: u64,
}

impl Group {
    /// Watches for want of memory; a group without the memory controller has nothing to tell.
    pub fn watch_oom(&self) -> Result<Option<OomWatch<'_>>> {
        let failed = |error| Error::io("watch", self.path().to_string(), error);
        let (fd, counts) = if let Some(member) = self.v1(Controller::Memory) {
            // Documentation/admin-guide/cgroup-v1/memory.rst, "OOM Control".
            let dir = member.dir.as_fd();
            let control = openat(dir, "memory.oom_control", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                .map_err(failed)?;
            let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(failed)?;
            let line = format!("{} {}", fd.as_raw_fd(), control.as_raw_fd());
            file::write(dir, "cgroup.event_control", line.as_bytes()).map_err(failed)?;
            (fd, true)
        } else if let Some(member) = self.v2()
            && file::read(member.dir.as_fd(), "memory.events").is_ok()
        {
            let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(failed)?;
            let path = format!("{}/memory.events", self.show(member));
            inotify::add_watch(&fd, path, WatchFlags::MODIFY).map_err(failed)?;
            (fd, false)
        } else {
            return Ok(None);
        };
        let seen = self.oom_count()?;
        Ok(Some(OomWatch { group: self, fd, counts, seen }))
    }
}

impl OomWatch<'_> {
    /// Returns how often memory was wanting since the last time.
    pub fn count(&mut self) -> u64 {
        if !self.group.exists() {
            // On v1 the removal of a group is told in the same way.
            return 0;
        }
        if self.counts {
            let mut number = [0; 8];
            let read = rustix::io::read(&self.fd, &mut number);
            return if read == Ok(number.len()) { u64::from_ne_bytes(number) } else { 0 };
        }
        let mut buffer = [0u8; 4096];
        while matches!(rustix::io::read(&self.fd, &mut buffer[..]), Ok(count) if count > 0) {}
        let now = self.group.oom_count().unwrap_or(self.seen).max(self.seen);
        now - std::mem::replace(&mut self.seen, now)
    }
}

impl AsFd for OomWatch<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
