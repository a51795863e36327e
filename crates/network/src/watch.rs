//! Hearing of changes to what networks are made of, by whomever: the warden then looks whether anything is missing.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SocketFlags, recv};
use sys::netlink::{Subject, join_groups, open};

use crate::error::Result;

/// Groups of notifications (linux/nfnetlink.h, linux/rtnetlink.h).
const TABLES: u32 = 7;
const LINKS: u32 = 1;
const IPV4_ADDRESSES: u32 = 5;
const IPV6_ADDRESSES: u32 = 9;
const IPV4_SWITCHES: u32 = 24;
const IPV6_SWITCHES: u32 = 25;

/// Subscriptions to the packet filter, and to links, addresses and forwarding, in the network namespace of the caller.
#[derive(Debug)]
pub struct Watch {
    tables: OwnedFd,
    links: OwnedFd,
}

impl Watch {
    pub fn open() -> Result<Self> {
        let subscribe = |subject, groups: &[u32]| {
            let socket = open(subject, SocketFlags::NONBLOCK)?;
            join_groups(socket.as_fd(), groups)?;
            Ok::<_, sys::Error>(socket)
        };
        Ok(Self {
            tables: subscribe(Subject::Netfilter, &[TABLES])?,
            links: subscribe(
                Subject::Route,
                &[LINKS, IPV4_ADDRESSES, IPV6_ADDRESSES, IPV4_SWITCHES, IPV6_SWITCHES],
            )?,
        })
    }

    /// Returns what to poll for reading; an error of either is a change too.
    pub fn fds(&self) -> [BorrowedFd<'_>; 2] {
        [self.tables.as_fd(), self.links.as_fd()]
    }

    /// Reads away all notifications: what they were about is found by looking. Our own changes are among them.
    pub fn drain(&self) {
        let mut buffer = [0; 4096];
        for socket in self.fds() {
            // More than the socket could hold was lost (ENOBUFS): that says as much as any notification.
            while matches!(
                recv(socket, &mut buffer, RecvFlags::empty()),
                Ok(_) | Err(Errno::INTR | Errno::NOBUFS)
            ) {}
        }
    }
}
