//! Netlink sockets: the few options that no safe library sets. What is said over them is the caller's.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, bind, netlink, socket_with};

use crate::{Context, Result};

// linux/netlink.h; the C library's bindings do not have them everywhere.
const ADD_MEMBERSHIP: libc::c_int = 1;
const CAP_ACK: libc::c_int = 10;
const EXT_ACK: libc::c_int = 11;
const GET_STRICT_CHK: libc::c_int = 12;
const SOL_NETLINK: libc::c_int = 270;

/// What a socket talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Links, addresses and routes (rtnetlink(7)).
    Route,
    /// Packet filter and connection tracking (nfnetlink).
    Netfilter,
}

impl Subject {
    fn protocol(self) -> Option<Protocol> {
        match self {
            // NETLINK_ROUTE is 0, the default.
            Self::Route => None,
            Self::Netfilter => Some(netlink::NETFILTER),
        }
    }
}

/// Opens a socket of the caller's network namespace. Answers to refused messages say why in words
/// (`NETLINK_EXT_ACK`, Linux 4.12) and do not repeat the message (`NETLINK_CAP_ACK`, Linux 4.3).
pub fn open(subject: Subject, flags: SocketFlags) -> Result<OwnedFd> {
    let flags = flags | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, subject.protocol())
        .context(|| format!("cannot open a netlink socket ({subject:?})"))?;
    for option in [EXT_ACK, CAP_ACK] {
        set(socket.as_fd(), option, 1).context(|| "cannot prepare a netlink socket".into())?;
    }
    Ok(socket)
}

/// Has the kernel check headers and filters of dumps (`NETLINK_GET_STRICT_CHK`, Linux 4.20): without it filters are ignored.
pub fn check_strictly(socket: BorrowedFd<'_>) -> Result<()> {
    set(socket, GET_STRICT_CHK, 1).context(|| "cannot prepare a netlink socket".into())
}

/// Flags of interfaces of one network namespace, each read in a fraction of the time that a message takes.
#[derive(Debug)]
pub struct Interfaces(OwnedFd);

impl Interfaces {
    /// Looks at the caller's network namespace.
    pub fn open() -> Result<Self> {
        socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
            .context(|| "cannot open a socket for interfaces".into())
            .map(Self)
    }

    /// Whether an interface is there and down (`SIOCGIFFLAGS`, netdevice(7)).
    pub fn is_down(&self, name: &str) -> bool {
        // SAFETY: an all-zero ifreq is valid.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        if name.len() >= request.ifr_name.len() {
            return false;
        }
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from as libc::c_char;
        }
        let code =
            // SAFETY: SIOCGIFFLAGS reads the name of one ifreq and writes its flags.
            unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SIOCGIFFLAGS as libc::Ioctl, &raw mut request) };
        // SAFETY: the kernel has written the flags.
        code == 0 && unsafe { request.ifr_ifru.ifru_flags } & libc::IFF_UP as libc::c_short == 0
    }
}

/// Subscribes to notifications of groups, by their numbers.
pub fn join_groups(socket: BorrowedFd<'_>, groups: &[u32]) -> Result<()> {
    // A socket hears of nothing before it has an address.
    bind(socket, &netlink::SocketAddrNetlink::new(0, 0)).context(|| "cannot bind a netlink socket".into())?;
    for group in groups {
        set(socket, ADD_MEMBERSHIP, *group as libc::c_int)
            .context(|| format!("cannot subscribe to netlink group {group}"))?;
    }
    Ok(())
}

fn set(socket: BorrowedFd<'_>, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the value is an int of the stated length.
    let code = unsafe {
        libc::setsockopt(socket.as_raw_fd(), SOL_NETLINK, option, (&raw const value).cast(), length)
    };
    if code < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
