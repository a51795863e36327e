//! Terminals that somebody else serves: who needs a socket for one, and handing the master over.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags,
    SocketType, connect, sendmsg, socket_with,
};
use sys::Context;

use crate::error::{Error, Result};

/// Checks that a terminal has somebody to serve it, and that a socket is for one.
pub(super) fn check(terminal: bool, detached: bool, socket: Option<&Path>) -> Result<()> {
    match (terminal && detached, socket) {
        (true, None) => Err(Error::invalid(
            "cannot allocate tty if the runtime will detach without setting console socket",
        )
        .hint("give --console-socket, or set process.terminal to false")),
        (false, Some(_)) => {
            Err(Error::invalid("cannot use console socket if the runtime will not detach or allocate tty")
                .hint("leave --console-socket out, or set process.terminal to true"))
        }
        _ => Ok(()),
    }
}

/// Connects to the socket, before anything is made: one that nobody serves is an error of the request.
pub(super) fn reach(path: &Path) -> Result<OwnedFd> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .context(|| "cannot make a socket".into())?;
    let address = SocketAddrUnix::new(path).on_path("use console socket", path)?;
    connect(&socket, &address).on_path("connect to console socket", path)?;
    Ok(socket)
}

/// Sends a terminal's master (unix(7), `SCM_RIGHTS`) with its name, as callers of runc expect it.
pub(super) fn send_master(socket: &OwnedFd, master: &OwnedFd) -> Result<()> {
    let fds = [master.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(socket, &[IoSlice::new(b"/dev/ptmx")], &mut ancillary, SendFlags::NOSIGNAL)
        .context(|| "cannot send the terminal to the console socket".into())?;
    Ok(())
}
