//! The way of input: from clients to the container's pipe or terminal.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll::{self, EventFlags};
use rustix::io::Errno;
use sys::Context;

use super::Source;
use super::clients::Clients;
use crate::guardian::Holdings;

/// The container's input.
#[derive(Debug)]
pub(crate) struct Input {
    target: Option<OwnedFd>,
    is_terminal: bool,
    /// What the container has not taken yet.
    pending: Vec<u8>,
    watched: bool,
    /// Close once the pending bytes are taken.
    ending: bool,
    /// Closed, and nobody else who has it open was told yet.
    just_ended: bool,
}

impl Input {
    pub(crate) fn new(holdings: &Holdings) -> Self {
        let (target, is_terminal) = match &holdings.console {
            Some(console) => (console.pty.master.try_clone().ok(), true),
            None => (holdings.open_stdin().and_then(|pipe| pipe.try_clone().ok()), false),
        };
        if let Some(fd) = &target {
            let _ = rustix::io::ioctl_fionbio(fd, true);
        }
        Self { target, is_terminal, pending: Vec::new(), watched: false, ending: false, just_ended: false }
    }

    /// Writes what fits; false when the sender must wait.
    pub(crate) fn write(&mut self, bytes: &[u8], epoll: &OwnedFd) -> sys::Result<bool> {
        self.pending.extend_from_slice(bytes);
        self.push();
        if self.pending.is_empty() {
            return Ok(true);
        }
        self.wait_for_room(epoll)?;
        Ok(false)
    }

    /// Writes on when the container reads again, and lets the senders go on.
    pub(crate) fn flush(&mut self, epoll: &OwnedFd, clients: &mut Clients) -> sys::Result<()> {
        self.push();
        if !self.pending.is_empty() && self.target.is_some() {
            return Ok(());
        }
        if let Some(target) = self.target.as_ref().filter(|_| self.watched) {
            let _ = epoll::delete(epoll, target);
        }
        self.watched = false;
        self.pending = Vec::new();
        if self.ending {
            self.end();
        }
        clients.release_input(epoll);
        Ok(())
    }

    fn push(&mut self) {
        while !self.pending.is_empty() {
            let Some(target) = &self.target else {
                self.pending.clear();
                return;
            };
            match rustix::io::write(target, &self.pending) {
                Ok(count) => {
                    self.pending.drain(..count);
                }
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => {}
                // Nobody reads any more.
                Err(_) => {
                    self.pending.clear();
                    self.target = None;
                }
            }
        }
    }

    fn wait_for_room(&mut self, epoll: &OwnedFd) -> sys::Result<()> {
        let Some(target) = self.target.as_ref().filter(|_| !self.watched) else { return Ok(()) };
        // A terminal's master is watched for output already, under a descriptor of its own.
        epoll::add(epoll, target, Source::Stdin.data(), EventFlags::OUT)
            .context(|| "cannot watch the container's input".into())?;
        self.watched = true;
        Ok(())
    }

    /// Ends the container's input; a terminal has no end, its line discipline gets what was typed.
    pub(crate) fn end(&mut self) {
        if self.is_terminal {
            return;
        }
        self.ending = true;
        if self.pending.is_empty() {
            self.just_ended = self.target.take().is_some();
        }
    }

    /// Whether it has ended since this was asked last.
    pub(crate) fn has_just_ended(&mut self) -> bool {
        std::mem::take(&mut self.just_ended)
    }

    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        if let Some(target) = self.terminal() {
            let _ = sys::terminal::set_window_size(target, rows, columns);
        }
    }

    fn terminal(&self) -> Option<BorrowedFd<'_>> {
        self.target.as_ref().filter(|_| self.is_terminal).map(AsFd::as_fd)
    }
}
