//! What builder and init tell their creator.
//!
//! ```text
//!   creator                 builder                    init
//!      │ <──── Init{pid} ──────┤                         │
//!      │ <──── Warning(text) ──┤                         │
//!      │ <──── Failed ─────────┤  (or nothing)           │
//!      │ <───────────────────────────── Ready ───────────┤  only when gated
//!      ├────── start byte ──────────────────────────────>│  only when gated by the report socket
//!      │ <───────────────────────────── Failed ──────────┤
//!      │ <───────────────────────────── (end of file) ───┤  exec succeeded
//! ```

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};
use serde::{Deserialize, Serialize};
use sys::Context;

use crate::error::Failure;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Message {
    Init { pid: i32 },
    Warning(String),
    Ready,
    Failed(Failure),
}

/// One end of a message socket (`SOCK_SEQPACKET`: boundaries kept, end of file at close).
#[derive(Debug)]
pub(crate) struct Report(OwnedFd);

impl Report {
    /// Makes both ends.
    pub(crate) fn pair() -> sys::Result<(Self, Self)> {
        let (a, b) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .context(|| "cannot make a report socket".into())?;
        Ok((Self(a), Self(b)))
    }

    pub(crate) fn from_fd(fd: OwnedFd) -> Self {
        Self(fd)
    }

    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Sends a message; a creator that is gone does not hear it, and nothing else could be told.
    pub(crate) fn send(&self, message: &Message) {
        if let Ok(bytes) = postcard::to_stdvec(message) {
            let _ = send(&self.0, &bytes, SendFlags::NOSIGNAL);
        }
    }

    /// Waits for the next message; `None` at the end.
    pub(crate) fn receive(&self) -> Option<Message> {
        let mut buffer = [0u8; 4096];
        loop {
            match recv(&self.0, &mut buffer[..], RecvFlags::empty()) {
                Ok((0, _)) => return None,
                Ok((count, _)) => return postcard::from_bytes(&buffer[..count]).ok(),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return None,
            }
        }
    }

    /// Tells init to start.
    pub(crate) fn send_start(&self) {
        let _ = send(&self.0, b"s", SendFlags::NOSIGNAL);
    }

    /// Waits for the start; false when the creator is gone.
    pub(crate) fn wait_for_start(&self) -> bool {
        let mut byte = [0u8; 1];
        loop {
            match recv(&self.0, &mut byte[..], RecvFlags::empty()) {
                Ok((count, _)) => return count == 1,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }
}
