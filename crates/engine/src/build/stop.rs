//! The end of a build before its time: a step has failed, or the user has had enough.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use oci::class::Class;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::error::{Error, Result};

/// Told once, and seen by all steps: by those that compute as a flag, by those that wait as a descriptor.
#[derive(Debug)]
pub(super) struct Stop {
    flag: StopFlag,
    reader: OwnedFd,
    writer: OwnedFd,
}

/// Whether the end was told.
#[derive(Debug, Clone, Default)]
pub(super) struct StopFlag(Arc<AtomicBool>);

impl Stop {
    pub(super) fn new() -> Result<Self> {
        let (reader, writer) = pipe()?;
        Ok(Self { flag: StopFlag::default(), reader, writer })
    }

    pub(super) fn tell(&self) {
        if !self.flag.0.swap(true, Ordering::SeqCst) {
            // Nobody reads it: the descriptor stays readable for all.
            let _ = rustix::io::write(&self.writer, b"s");
        }
    }

    pub(super) fn flag(&self) -> &StopFlag {
        &self.flag
    }

    /// Readable once the end was told.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

impl StopFlag {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Fails where the end was told.
    pub(super) fn check(&self) -> Result<()> {
        if self.is_set() { Err(given_up()) } else { Ok(()) }
    }

    /// Reads until the end is told.
    pub(super) fn reader<R: Read>(&self, source: R) -> impl Read + use<'_, R> {
        Stoppable { flag: self, source }
    }
}

struct Stoppable<'a, R> {
    flag: &'a StopFlag,
    source: R,
}

impl<R: Read> Read for Stoppable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.flag.is_set() {
            return Err(io::Error::other("the build was given up"));
        }
        self.source.read(buffer)
    }
}

/// What a step says that was ended for another's sake.
pub(super) fn given_up() -> Error {
    Error::new(Class::Cancelled, "given up")
}

pub(super) fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC).map_err(|errno| sys::Error::new("cannot make a pipe", errno))?)
}

/// Waits for the user's wish to end, or until all is done; returns whether it was the former.
pub(super) fn is_interrupted(interrupt: BorrowedFd<'_>, done: BorrowedFd<'_>) -> bool {
    loop {
        let mut fds = [interrupt, done].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
            Ok(_) if !fds[1].revents().is_empty() => return false,
            Ok(_) => return !fds[0].revents().is_empty(),
        }
    }
}
