//! Waiting for a journal to grow: by inotify, or by looking again where the user has no watch left.
//!
//! Only who follows has an instance, and only while it does: 128 of them is what the kernel gives a user.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use store::JournalReader;

/// How often it is looked without a watch.
const LOOK: Duration = Duration::from_millis(100);

/// A watch of the file that is read.
#[derive(Debug)]
pub(super) struct Watch {
    instance: Option<OwnedFd>,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self { instance: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok() }
    }

    /// Watches the file that is read now; watching it twice is watching it once.
    pub(super) fn follow(&mut self, reader: &JournalReader) {
        let Some(instance) = &self.instance else { return };
        // The file by its descriptor: another one may have its name by now.
        let path = format!("/proc/self/fd/{}", reader.as_fd().as_raw_fd());
        let flags = WatchFlags::MODIFY | WatchFlags::ATTRIB | WatchFlags::MOVE_SELF;
        if inotify::add_watch(instance, path, flags).is_err() {
            self.instance = None;
        }
    }

    /// Waits until something has changed, or the time is over.
    pub(super) fn wait(&self, time: Duration) {
        let Some(instance) = &self.instance else {
            std::thread::sleep(time.min(LOOK));
            return;
        };
        let time = Timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec: time.subsec_nanos().into() };
        let _ = poll(&mut [PollFd::new(instance, PollFlags::IN)], Some(&time));
        let mut buffer = [0u8; 4096];
        while matches!(rustix::io::read(instance, &mut buffer[..]), Ok(count) if count > 0) {}
    }
}
