//! Datagrams with the address that they were sent to, so that an answer can come from there.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;
use rustix::net::getsockname;

use crate::{Context, Result};

/// Room for one control message, aligned as the kernel's header is.
type Control = [usize; 8];

/// A datagram that came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    pub length: usize,
    pub from: SocketAddr,
    /// The address of ours that it was sent to.
    pub to: IpAddr,
}

/// Lets [`receive`] tell where datagrams were sent to (`IP_PKTINFO`, ip(7); `IPV6_RECVPKTINFO`, ipv6(7)).
pub fn tell_destinations(socket: BorrowedFd<'_>) -> Result<()> {
    let what = || "cannot ask for destinations of datagrams".into();
    let bound = getsockname(socket).context(what)?;
    let (level, option) = match SocketAddr::try_from(bound) {
        Ok(SocketAddr::V4(_)) => (libc::IPPROTO_IP, libc::IP_PKTINFO),
        _ => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
    };
    let on: libc::c_int = 1;
    let size = size_of_val(&on) as libc::socklen_t;
    // SAFETY: both options take an int of this size.
    let code = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const on).cast(), size) };
    if code < 0 {
        return Err(io::Error::last_os_error()).context(what);
    }
    Ok(())
}

/// Receives a datagram without waiting; what is longer than the buffer is cut.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> rustix::io::Result<Received> {
    let mut name = Name::empty();
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut control: Control = [0; _];
    let mut message = header(&mut name, &mut part, &mut control);
    // SAFETY: the header's pointers lead to memory of the stated sizes, which outlives the call.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    if length < 0 {
        return Err(last_errno());
    }
    let from = name.address().ok_or(Errno::AFNOSUPPORT)?;
    Ok(Received { length: length as usize, from, to: destination(&message).ok_or(Errno::NOMSG)? })
}

fn destination(message: &libc::msghdr) -> Option<IpAddr> {
    // SAFETY: the kernel has filled the control buffer that the header points to, and told its length; the macros
    // stay within it, and messages of these kinds hold an in_pktinfo and an in6_pktinfo, at any alignment.
    unsafe {
        let mut at = libc::CMSG_FIRSTHDR(message);
        while !at.is_null() {
            match ((*at).cmsg_level, (*at).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = libc::CMSG_DATA(at).cast::<libc::in_pktinfo>().read_unaligned();
                    return Some(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)).into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = libc::CMSG_DATA(at).cast::<libc::in6_pktinfo>().read_unaligned();
                    return Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
                }
                _ => at = libc::CMSG_NXTHDR(message, at),
            }
        }
    }
    None
}

/// Sends a datagram from this address of ours, which is of the receiver's family, without waiting.
pub fn send_from(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    from: IpAddr,
    to: SocketAddr,
) -> rustix::io::Result<()> {
    let mut name = Name::of(to);
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut control: Control = [0; _];
    let mut message = header(&mut name, &mut part, &mut control);
    // The interface is the kernel's choice.
    match from {
        IpAddr::V4(from) => {
            let address = libc::in_addr { s_addr: u32::from(from).to_be() };
            let none = libc::in_addr { s_addr: 0 };
            let info = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: address, ipi_addr: none };
            attach(&mut message, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
        }
        IpAddr::V6(from) => {
            let address = libc::in6_addr { s6_addr: from.octets() };
            let info = libc::in6_pktinfo { ipi6_addr: address, ipi6_ifindex: 0 };
            attach(&mut message, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
        }
    }
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the header's pointers lead to memory of the stated sizes, which outlives the call and is only read.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, flags) };
    if sent < 0 { Err(last_errno()) } else { Ok(()) }
}

/// Writes one control message into a header that has a [`Control`].
fn attach<T>(message: &mut libc::msghdr, level: libc::c_int, kind: libc::c_int, content: T) {
    const { assert!(size_of::<T>() + size_of::<libc::cmsghdr>() <= size_of::<Control>()) };
    let size = size_of::<T>() as libc::c_uint;
    // SAFETY: the header leads to a control buffer with room for a message header and this content.
    unsafe {
        message.msg_controllen = libc::CMSG_SPACE(size) as _;
        let first = libc::CMSG_FIRSTHDR(&raw const *message);
        (*first).cmsg_level = level;
        (*first).cmsg_type = kind;
        (*first).cmsg_len = libc::CMSG_LEN(size) as _;
        libc::CMSG_DATA(first).cast::<T>().write_unaligned(content);
    }
}

/// A socket address as the kernel has it, of either family.
#[repr(C)]
union Name {
    family: libc::sa_family_t,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl Name {
    /// Room for either.
    fn empty() -> Self {
        Self::of(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0).into())
    }

    fn of(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(address) => Self {
                v4: libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: address.port().to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
                    sin_zero: [0; 8],
                },
            },
            SocketAddr::V6(address) => Self {
                v6: libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: address.port().to_be(),
                    sin6_flowinfo: 0,
                    sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                    sin6_scope_id: address.scope_id(),
                },
            },
        }
    }

    fn length(&self) -> usize {
        // SAFETY: all kinds begin with the family.
        match i32::from(unsafe { self.family }) {
            libc::AF_INET => size_of::<libc::sockaddr_in>(),
            _ => size_of::<libc::sockaddr_in6>(),
        }
    }

    fn address(&self) -> Option<SocketAddr> {
        // SAFETY: all kinds begin with the family, which tells which of them it is; all bytes are initialised.
        unsafe {
            match i32::from(self.family) {
                libc::AF_INET => {
                    let ip = Ipv4Addr::from(u32::from_be(self.v4.sin_addr.s_addr));
                    Some(SocketAddrV4::new(ip, u16::from_be(self.v4.sin_port)).into())
                }
                libc::AF_INET6 => {
                    let ip = Ipv6Addr::from(self.v6.sin6_addr.s6_addr);
                    let port = u16::from_be(self.v6.sin6_port);
                    Some(SocketAddrV6::new(ip, port, 0, self.v6.sin6_scope_id).into())
                }
                _ => None,
            }
        }
    }
}

fn header(name: &mut Name, part: &mut libc::iovec, control: &mut Control) -> libc::msghdr {
    // SAFETY: all-zero is a valid msghdr; it has padding in some libraries.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_namelen = name.length() as libc::socklen_t;
    message.msg_name = (&raw mut *name).cast();
    message.msg_iov = part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(control) as _;
    message
}

fn last_errno() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    fn answers(everywhere: &str, one: IpAddr, client: &str, foreign: &str) {
        let ours = UdpSocket::bind(everywhere).unwrap();
        tell_destinations(ours.as_fd()).unwrap();
        let port = ours.local_addr().unwrap().port();
        let client = UdpSocket::bind(client).unwrap();
        // Takes answers from there alone.
        client.connect((one, port)).unwrap();
        assert_eq!(receive(ours.as_fd(), &mut [0; 8]), Err(Errno::AGAIN));
        client.send(b"question").unwrap();
        let mut buffer = [0; 5];
        let received = receive(ours.as_fd(), &mut buffer).unwrap();
        assert_eq!(&buffer, b"quest");
        assert_eq!(received.from, client.local_addr().unwrap());
        assert_eq!((received.length, received.to), (5, one));
        send_from(ours.as_fd(), b"answer", received.to, received.from).unwrap();
        let mut buffer = [0; 8];
        assert_eq!(client.recv(&mut buffer).unwrap(), 6);
        // An address that is not ours is nobody's to answer from.
        assert!(send_from(ours.as_fd(), b"x", foreign.parse().unwrap(), received.from).is_err());
    }

    #[test]
    fn an_answer_comes_from_where_the_question_went() {
        answers("[::]:0", Ipv6Addr::LOCALHOST.into(), "[::1]:0", "2001:db8::1");
        answers("0.0.0.0:0", Ipv4Addr::new(127, 3, 2, 1).into(), "127.0.0.1:0", "192.0.2.1");
    }
}
