//! What builder and init tell their creator.
//!
//! ```text
//!   creator                 builder                    init
//!      │ <──── Init{pid} ──────┤                         │
//!      │ <──── Joiner{pid} ────┤  only with namespaces of others
//!      ├────── one byte ──────>│  only with a network: it is set up
//!      │ <──── Warning(text) ──┤                         │
//!      │ <──── Mounted ────────┤  only with hooks        │
//!      ├────── one byte ──────>│  only with hooks        │
//!      │ <──── Failed, Built ──┤  one of them            │
//!      │ <───────────────────────────── Listener{number} ┤  only with a filter that notifies
//!      ├────── one byte ────────────────────────────────>│  only with a filter that notifies
//!      │ <───────────────────────────── Ready ───────────┤  only when gated
//!      ├────── start byte ──────────────────────────────>│  only when gated by the report socket
//!      │ <───────────────────────────── Failed ──────────┤
//!      │ <───────────────────────────── (end of file) ───┤  exec succeeded
//! ```

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv, recvmsg, send, sendmsg, socketpair,
};
use serde::{Deserialize, Serialize};
use sys::Context;

use crate::error::Failure;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Message {
    Init {
        pid: i32,
    },
    /// A process that joined namespaces for init and has ended; its parent is init's.
    Joiner {
        pid: i32,
    },
    Warning(String),
    /// The root stands and is not entered yet: it is the creator's turn to run hooks.
    Mounted,
    /// A filter was loaded, and its listener has this number in the process; it waits until somebody has taken it.
    Listener {
        number: i32,
    },
    Ready,
    Failed(Failure),
    /// The builder has done all: an end of file without this is that of processes that were killed.
    Built,
}

/// The most bytes of text in a message: names of a container's choice may be longer.
const TEXT_BYTES: usize = 8 * 1024;
/// Holds any message.
const BUFFER_BYTES: usize = 2 * TEXT_BYTES;

impl Message {
    /// Encodes the message, with text cut to what the other end takes: one that did not fit would be lost,
    /// and a failure nobody hears of looks like a success.
    fn encode(&self) -> Option<Vec<u8>> {
        let cut = match self {
            Self::Warning(text) => Self::Warning(shorten(text)),
            Self::Failed(failure) => {
                Self::Failed(Failure { what: shorten(&failure.what), ..failure.clone() })
            }
            other => return postcard::to_stdvec(other).ok(),
        };
        postcard::to_stdvec(&cut).ok()
    }
}

/// Cuts a text to its beginning.
fn shorten(text: &str) -> String {
    if text.len() <= TEXT_BYTES {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(TEXT_BYTES)])
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
        if let Some(bytes) = message.encode() {
            let _ = send(&self.0, &bytes, SendFlags::NOSIGNAL);
        }
    }

    /// Sends a message with a descriptor (unix(7), `SCM_RIGHTS`).
    pub(crate) fn send_with(&self, message: &Message, fd: BorrowedFd<'_>) {
        let Some(bytes) = message.encode() else { return };
        let fds = [fd];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&fds));
        let _ = sendmsg(&self.0, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL);
    }

    /// Waits for the next message; `None` at the end.
    pub(crate) fn receive(&self) -> Option<Message> {
        self.receive_with().map(|(message, _)| message)
    }

    /// Waits for the next message and the descriptor it may bring.
    pub(crate) fn receive_with(&self) -> Option<(Message, Option<OwnedFd>)> {
        self.receive_by(RecvFlags::CMSG_CLOEXEC)
    }

    /// Returns the failure among the messages that have been sent already, without waiting for more.
    pub(crate) fn failure_told(&self) -> Option<Failure> {
        while let Some((message, _)) = self.receive_by(RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT) {
            if let Message::Failed(failure) = message {
                return Some(failure);
            }
        }
        None
    }

    fn receive_by(&self, flags: RecvFlags) -> Option<(Message, Option<OwnedFd>)> {
        let mut buffer = [0u8; BUFFER_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut parts = [IoSliceMut::new(&mut buffer)];
            match recvmsg(&self.0, &mut parts, &mut ancillary, flags) {
                Ok(received) => break received.bytes,
                // The other end went with a byte of ours unread: the kernel says so once, before what was sent to us.
                Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNRESET) => {}
                Err(_) => return None,
            }
        };
        if received == 0 {
            return None;
        }
        let mut fd = None;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                fd = fds.last();
            }
        }
        Some((postcard::from_bytes(&buffer[..received]).ok()?, fd))
    }

    /// Offers a filter's listener and waits until it was taken; false where nobody takes it.
    ///
    /// By write(2), the one call that a filter may not ask its agent about.
    pub(crate) fn offer_listener(&self, listener: &OwnedFd) -> bool {
        let mut space = [0; 16];
        // On the stack: to allocate may take another call.
        let message = Message::Listener { number: listener.as_raw_fd() };
        let Ok(bytes) = postcard::to_slice(&message, &mut space) else { return false };
        rustix::io::write(&self.0, bytes) == Ok(bytes.len()) && self.wait_for_start()
    }

    /// Tells init to start or that its listener was taken, or the builder to go on: it is gone before init listens.
    /// The builder waits for the network before it lets hooks run, so each byte means what its reader waits for.
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
