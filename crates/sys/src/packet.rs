//! Datagrams of IPv6 with the address that they were sent to, so that an answer can come from there.

use std::io;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use crate::{Context, Result};

/// Room for one control message, aligned as the kernel's header is.
type Control = [usize; 8];

/// A datagram that came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    pub length: usize,
    pub from: SocketAddrV6,
    /// The address of ours that it was sent to.
    pub to: Ipv6Addr,
}

/// Lets [`receive`] tell where datagrams were sent to (`IPV6_RECVPKTINFO`, ipv6(7)).
pub fn tell_destinations(socket: BorrowedFd<'_>) -> Result<()> {
    let on: libc::c_int = 1;
    let size = size_of_val(&on) as libc::socklen_t;
    // SAFETY: the option takes an int of this size.
    let code = unsafe {
        let value = (&raw const on).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, value, size)
    };
    if code < 0 {
        return Err(io::Error::last_os_error()).context(|| "cannot ask for destinations of datagrams".into());
    }
    Ok(())
}

/// Receives a datagram without waiting; what is longer than the buffer is cut.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> rustix::io::Result<Received> {
    let mut name = ipv6_name(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0));
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut control: Control = [0; _];
    let mut message = header(&mut name, &mut part, &mut control);
    // SAFETY: the header's pointers lead to memory of the stated sizes, which outlives the call.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    if length < 0 {
        return Err(last_errno());
    }
    let from = SocketAddrV6::new(
        Ipv6Addr::from(name.sin6_addr.s6_addr),
        u16::from_be(name.sin6_port),
        0,
        name.sin6_scope_id,
    );
    Ok(Received { length: length as usize, from, to: destination(&message).ok_or(Errno::NOMSG)? })
}

fn destination(message: &libc::msghdr) -> Option<Ipv6Addr> {
    // SAFETY: the kernel has filled the control buffer that the header points to, and told its length; the macros
    // stay within it, and a message of this kind holds an in6_pktinfo, at any alignment.
    unsafe {
        let mut at = libc::CMSG_FIRSTHDR(message);
        while !at.is_null() {
            if ((*at).cmsg_level, (*at).cmsg_type) == (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) {
                let info = libc::CMSG_DATA(at).cast::<libc::in6_pktinfo>().read_unaligned();
                return Some(Ipv6Addr::from(info.ipi6_addr.s6_addr));
            }
            at = libc::CMSG_NXTHDR(message, at);
        }
    }
    None
}

/// Sends a datagram from this address of ours, without waiting.
pub fn send_from(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    from: Ipv6Addr,
    to: SocketAddrV6,
) -> rustix::io::Result<()> {
    let mut name = ipv6_name(to);
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut control: Control = [0; _];
    let mut message = header(&mut name, &mut part, &mut control);
    // The interface is the kernel's choice.
    let info = libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: from.octets() }, ipi6_ifindex: 0 };
    let size = size_of_val(&info) as libc::c_uint;
    // SAFETY: the control buffer has room for a header and an in6_pktinfo; the kernel only reads the bytes.
    let sent = unsafe {
        message.msg_controllen = libc::CMSG_SPACE(size) as _;
        let first = libc::CMSG_FIRSTHDR(&raw const message);
        (*first).cmsg_level = libc::IPPROTO_IPV6;
        (*first).cmsg_type = libc::IPV6_PKTINFO;
        (*first).cmsg_len = libc::CMSG_LEN(size) as _;
        libc::CMSG_DATA(first).cast::<libc::in6_pktinfo>().write_unaligned(info);
        libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
    };
    if sent < 0 { Err(last_errno()) } else { Ok(()) }
}

fn header(name: &mut libc::sockaddr_in6, part: &mut libc::iovec, control: &mut Control) -> libc::msghdr {
    // SAFETY: all-zero is a valid msghdr; it has padding in some libraries.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = (&raw mut *name).cast();
    message.msg_namelen = size_of_val(name) as libc::socklen_t;
    message.msg_iov = part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(control) as _;
    message
}

fn ipv6_name(address: SocketAddrV6) -> libc::sockaddr_in6 {
    libc::sockaddr_in6 {
        sin6_family: libc::AF_INET6 as libc::sa_family_t,
        sin6_port: address.port().to_be(),
        sin6_flowinfo: 0,
        sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
        sin6_scope_id: address.scope_id(),
    }
}

fn last_errno() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, UdpSocket};
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn an_answer_comes_from_where_the_question_went() {
        let ours = UdpSocket::bind("[::]:0").unwrap();
        tell_destinations(ours.as_fd()).unwrap();
        let port = ours.local_addr().unwrap().port();
        let client = UdpSocket::bind("[::1]:0").unwrap();
        // Takes answers from there alone.
        client.connect(("::1", port)).unwrap();
        assert_eq!(receive(ours.as_fd(), &mut [0; 8]), Err(Errno::AGAIN));
        client.send(b"question").unwrap();
        let mut buffer = [0; 5];
        let received = receive(ours.as_fd(), &mut buffer).unwrap();
        assert_eq!(&buffer, b"quest");
        assert_eq!(SocketAddr::V6(received.from), client.local_addr().unwrap());
        assert_eq!((received.length, received.to), (5, Ipv6Addr::LOCALHOST));
        send_from(ours.as_fd(), b"answer", received.to, received.from).unwrap();
        let mut buffer = [0; 8];
        assert_eq!(client.recv(&mut buffer).unwrap(), 6);
        // An address that is not ours is nobody's to answer from.
        let foreign = "2001:db8::1".parse().unwrap();
        assert!(send_from(ours.as_fd(), b"x", foreign, received.from).is_err());
    }
}
