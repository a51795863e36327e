//! Sockets in the container's network namespace, made by a process that stays in its own.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with, sockopt};
use sys::Context;

/// Where programs of a container ask.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);
/// Attempts to find a port that is free for both protocols.
const ATTEMPTS_MAX: usize = 16;

/// What the resolver listens on: one port of 127.0.0.11 by both protocols. Packets to port 53 are redirected there,
/// so that a program of the container can have port 53 of all addresses.
#[derive(Debug)]
pub struct Sockets {
    pub(super) udp: OwnedFd,
    pub(super) tcp: OwnedFd,
    pub port: u16,
    pub(super) inside: Namespace,
}

/// Opens the sockets in a network namespace, or in that of a process, given by its pidfd. A port is given where the redirection already leads to it: after a supervisor was killed.
pub fn open(netns: BorrowedFd<'_>, port: Option<u16>) -> sys::Result<Sockets> {
    let inside = Namespace::new(netns)?;
    // Init does the same in its own time; without it there is no 127.0.0.11 to bind to.
    let (udp, tcp, port) = inside.enter(|| sys::loopback::bring_up().and_then(|()| listen_on(port)))??;
    Ok(Sockets { udp, tcp, port, inside })
}

fn listen_on(port: Option<u16>) -> sys::Result<(OwnedFd, OwnedFd, u16)> {
    let mut attempts = if port.is_some() { 1 } else { ATTEMPTS_MAX };
    loop {
        attempts -= 1;
        let tcp = socket(SocketType::STREAM)?;
        // What is left of the predecessor's connections must not be in the way.
        sockopt::set_socket_reuseaddr(&tcp, true)
            .context(|| "cannot prepare the resolver's socket".into())?;
        bind_at(&tcp, port.unwrap_or(0))?;
        let address = getsockname(&tcp).context(|| "cannot find the resolver's port".into())?;
        let bound =
            SocketAddrV4::try_from(address).context(|| "cannot find the resolver's port".into())?.port();
        let udp = socket(SocketType::DGRAM)?;
        match bind_at(&udp, bound) {
            Err(error) if error.errno() == Some(Errno::ADDRINUSE) && attempts > 0 => continue,
            result => result?,
        }
        listen(&tcp, 16).context(|| "cannot listen for names by TCP".into())?;
        return Ok((udp, tcp, bound));
    }
}

fn socket(kind: SocketType) -> sys::Result<OwnedFd> {
    socket_with(AddressFamily::INET, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
        .context(|| "cannot make the resolver's socket".into())
}

fn bind_at(socket: &OwnedFd, port: u16) -> sys::Result<()> {
    bind(socket, &SocketAddrV4::new(ADDRESS, port))
        .context(|| format!("cannot bind the resolver to {ADDRESS}:{port} in the container"))
}

/// The network namespace of a container, and the way back.
#[derive(Debug)]
pub(super) struct Namespace {
    container: OwnedFd,
    own: OwnedFd,
}

impl Namespace {
    fn new(netns: BorrowedFd<'_>) -> sys::Result<Self> {
        let container = netns
            .try_clone_to_owned()
            .map_err(|error| sys::Error::new("cannot keep the container's network namespace", error))?;
        let path = std::path::Path::new("/proc/thread-self/ns/net");
        let own = openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).on_path("open", path)?;
        Ok(Self { container, own })
    }

    /// Runs `body` inside. A socket belongs for ever to the namespace that it was made in (socket(2), setns(2)).
    pub(super) fn enter<T>(&self, body: impl FnOnce() -> T) -> sys::Result<T> {
        let network = libc::CLONE_NEWNET as u64;
        sys::process::join_namespaces(self.container.as_fd(), network)?;
        let result = body();
        // Only the engine's own process could have lost the right to come back to where it came from.
        sys::process::join_namespaces(self.own.as_fd(), network)?;
        Ok(result)
    }
}
