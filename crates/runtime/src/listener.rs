//! The listener of a filter that notifies: from the process that loads it to the agent that serves it.
//!
//! ```text
//!   process                          creator                              agent
//!      │ seccomp(NEW_LISTENER)          │                                   │
//!      ├──── number, by write(2) ──────>│ pidfd_getfd(2)                    │
//!      │                                ├── state, listener (SCM_RIGHTS) ──>│
//!      │ closes its own <──── byte ─────┤                                   │
//! ```
//!
//! A filter may ask the agent about any call but write(2), also those of the process that has loaded it: until the
//! agent has the listener it makes no other one (runtime-spec 1.2, "The Container Process State").

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use oci::runtime::{Seccomp, State};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags,
    SocketType, connect, send, sendmsg, socket_with,
};
use rustix::process::{PidfdGetfdFlags, pidfd_getfd};
use serde::Serialize;
use sys::Context;
use sys::credentials::SECCOMP_NEW_LISTENER;
use sys::process::Pid;

use crate::error::{Failure, Result};
use crate::plan::invalid;
use crate::step::Listener;

/// The document that the agent reads first.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContainerProcessState<'a> {
    oci_version: &'a str,
    fds: [&'a str; 1],
    pid: Pid,
    #[serde(skip_serializing_if = "str::is_empty")]
    metadata: &'a str,
    state: &'a State,
}

/// Checks that a filter which needs an agent has one. A listener of a filter that notifies of nothing is not looked at.
pub fn plan_listener(
    seccomp: Option<&Seccomp>,
    compiled: Option<&(Vec<u8>, u32)>,
) -> Result<Option<Listener>> {
    let Some(seccomp) = seccomp else { return Ok(None) };
    let path = seccomp.listener_path.as_ref().filter(|path| !path.as_os_str().is_empty());
    let metadata = seccomp.listener_metadata.clone().unwrap_or_default();
    if path.is_none() && !metadata.is_empty() {
        return Err(invalid("`linux.seccomp.listenerMetadata` needs a `listenerPath`"));
    }
    if compiled.is_none_or(|(_, flags)| flags & SECCOMP_NEW_LISTENER == 0) {
        return Ok(None);
    }
    match path {
        Some(path) => Ok(Some(Listener { path: path.clone(), metadata })),
        None => Err(invalid("SCMP_ACT_NOTIFY needs `linux.seccomp.listenerPath`, where its agent listens")),
    }
}

/// Takes the listener out of the process that has loaded the filter, and sends it to the agent.
pub(crate) fn hand_over(
    listener: &Listener,
    process: (Pid, BorrowedFd<'_>),
    number: i32,
    state: &State,
) -> Result<(), Failure> {
    let (pid, pidfd) = process;
    let fd = pidfd_getfd(pidfd, number, PidfdGetfdFlags::empty())
        .context(|| "cannot take the seccomp listener out of the process".into())?;
    let metadata = &listener.metadata;
    let document =
        ContainerProcessState { oci_version: &state.oci_version, fds: ["seccompFd"], pid, metadata, state };
    let document = serde_json::to_vec(&document).map_err(|error| {
        Failure::refused(format!("cannot write the state for the seccomp agent: {error}"))
    })?;
    let agent = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .context(|| "cannot make a socket".into())?;
    let address = SocketAddrUnix::new(&listener.path).on_path("use seccomp listener", &listener.path)?;
    connect(&agent, &address).on_path("connect to seccomp listener", &listener.path)?;
    send_all(&agent, &document, &fd).on_path("write to seccomp listener", &listener.path)?;
    Ok(())
}

/// Sends the descriptor with the first part, as the specification wants it.
fn send_all(agent: &OwnedFd, document: &[u8], fd: &OwnedFd) -> rustix::io::Result<()> {
    let fds = [fd.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&fds));
    let mut sent = sendmsg(agent, &[IoSlice::new(document)], &mut ancillary, SendFlags::NOSIGNAL)?;
    while sent < document.len() {
        sent += rustix::io::retry_on_intr(|| send(agent, &document[sent..], SendFlags::NOSIGNAL))?;
    }
    Ok(())
}
