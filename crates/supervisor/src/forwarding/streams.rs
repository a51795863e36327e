//! Connections by TCP: two sockets each, and nothing of what passes between them.
//!
//! Bytes stay in the kernel until the other side has taken them: they are looked at (`MSG_PEEK`), sent as far as there
//! is room, and what was sent is discarded (`MSG_TRUNC`, tcp(7)). A splice would need two pipes a connection.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, EventFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, accept_with, connect, recv, send,
    shutdown, socket_with, sockopt,
};
use sys::Context;

use super::{End, Port, Source};

/// Connections at a time, of all ports; further clients wait to be accepted.
const STREAMS_MAX: usize = 256;
/// Buffers that are passed on in one turn and direction, so that others are served as well.
const TURN_MAX: usize = 16;
/// How long nobody is accepted where descriptors or memory are lacking.
const REST: Duration = Duration::from_secs(1);

/// One connection: the client's and ours to the container.
#[derive(Debug)]
struct Stream {
    number: u32,
    client: OwnedFd,
    container: OwnedFd,
    /// Whether the container has not answered yet.
    connecting: bool,
    /// Whether the end of what the client sends has been passed on, and that of what the container sends.
    ended: [bool; 2],
}

/// The listeners and all connections; places are stable.
#[derive(Debug)]
pub(super) struct Streams<'a> {
    listeners: Vec<Port<'a>>,
    places: Vec<Option<Stream>>,
    last_number: u32,
    /// Whether clients have to wait.
    full: bool,
    /// Until when they wait in any case.
    rests: Option<Instant>,
}

impl<'a> Streams<'a> {
    pub(super) fn start(listeners: Vec<Port<'a>>, epoll: &OwnedFd) -> sys::Result<Self> {
        for (port, listener) in listeners.iter().enumerate() {
            epoll::add(epoll, listener.socket, Source::Listener(port).data(), EventFlags::IN)
                .context(|| "cannot watch a published port".into())?;
        }
        Ok(Self { listeners, places: Vec::new(), last_number: 0, full: false, rests: None })
    }

    /// Takes who has connected, as long as there is room.
    pub(super) fn accept(&mut self, port: usize, epoll: &OwnedFd, now: Instant) {
        let Some(Port { socket, container }) = self.listeners.get(port).copied() else { return };
        while let Some(place) = self.free_place() {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let outcome = match accept_with(socket, flags) {
                Ok(client) => self.open(place, client, container, epoll),
                // It has gone while it waited.
                Err(Errno::CONNABORTED | Errno::INTR) => Ok(()),
                Err(Errno::AGAIN) => return,
                Err(errno) => Err(errno),
            };
            if let Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS) = outcome {
                self.rests = Some(now + REST);
                break;
            }
        }
        self.full = true;
        self.set_interest(epoll, EventFlags::empty());
    }

    /// Connects a client to the container; one for whom that fails sees its connection reset.
    fn open(
        &mut self,
        place: usize,
        client: OwnedFd,
        address: SocketAddr,
        epoll: &OwnedFd,
    ) -> rustix::io::Result<()> {
        let container = begin_to_connect(address).inspect_err(|_| reset(&client))?;
        self.last_number = self.last_number.wrapping_add(1);
        let number = self.last_number;
        for socket in [&client, &container] {
            let _ = sockopt::set_tcp_nodelay(socket, true);
            // Or one that vanishes keeps its place for ever.
            let _ = sockopt::set_socket_keepalive(socket, true);
        }
        for (socket, end) in [(&client, End::Client), (&container, End::Container)] {
            let data = Source::Stream { number, place, end }.data();
            epoll::add(epoll, socket.as_fd(), data, INTEREST).inspect_err(|_| reset(&client))?;
        }
        self.places[place] = Some(Stream { number, client, container, connecting: true, ended: [false; 2] });
        Ok(())
    }

    fn free_place(&mut self) -> Option<usize> {
        if let Some(place) = self.places.iter().position(Option::is_none) {
            return Some(place);
        }
        if self.places.len() == STREAMS_MAX {
            return None;
        }
        self.places.push(None);
        Some(self.places.len() - 1)
    }

    /// Passes on what one end has woken us for.
    pub(super) fn ready(
        &mut self,
        (place, number): (usize, u32),
        end: End,
        buffer: &mut [u8],
        epoll: &OwnedFd,
    ) {
        let Some(stream) = self.places.get_mut(place).and_then(Option::as_mut) else { return };
        if stream.number != number {
            return;
        }
        match stream.pass_on(end, buffer) {
            Ok(Passed::All) => {}
            Ok(Passed::Some) => {
                // An edge is told once; to set the interest anew tells it again.
                let data = Source::Stream { number, place, end: End::Client }.data();
                let _ = epoll::modify(epoll, &stream.client, data, INTEREST);
            }
            Ok(Passed::End) => self.close(place),
            Err(_) => {
                // What was cut off must not look complete.
                reset(&stream.client);
                reset(&stream.container);
                self.close(place);
            }
        }
    }

    fn close(&mut self, place: usize) {
        self.places[place] = None;
        if self.places.iter().all(Option::is_none) {
            self.places = Vec::new();
        }
    }

    /// Accepts again once there is room.
    pub(super) fn resume(&mut self, epoll: &OwnedFd, now: Instant) {
        if !self.full || self.rests.is_some_and(|until| now < until) {
            return;
        }
        if self.places.len() < STREAMS_MAX || self.places.iter().any(Option::is_none) {
            (self.full, self.rests) = (false, None);
            self.set_interest(epoll, EventFlags::IN);
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.rests
    }

    #[cfg(test)]
    pub(super) fn busy(&self) -> usize {
        self.places.iter().flatten().count()
    }

    fn set_interest(&self, epoll: &OwnedFd, flags: EventFlags) {
        for (port, listener) in self.listeners.iter().enumerate() {
            let _ = epoll::modify(epoll, listener.socket, Source::Listener(port).data(), flags);
        }
    }
}

/// Both ends wake us whenever they have got something to read or room, once each time: whoever waits for the other
/// end costs nothing.
const INTEREST: EventFlags =
    EventFlags::IN.union(EventFlags::OUT).union(EventFlags::RDHUP).union(EventFlags::ET);

fn begin_to_connect(address: SocketAddr) -> rustix::io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    match connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(errno) => Err(errno),
    }
}

/// Lets the end of a connection be a reset (SO_LINGER in socket(7)).
fn reset(socket: &OwnedFd) {
    let _ = sockopt::set_socket_linger(socket, Some(Duration::ZERO));
}

enum Passed {
    /// All there was to pass on and room for.
    All,
    /// There is more.
    Some,
    /// Both sides have said their last word.
    End,
}

impl Stream {
    fn pass_on(&mut self, end: End, buffer: &mut [u8]) -> rustix::io::Result<Passed> {
        if self.connecting {
            if end == End::Client {
                // Its end would end the attempt.
                return Ok(Passed::All);
            }
            sockopt::socket_error(&self.container)??;
            self.connecting = false;
        }
        let (client, container) = (&self.client, &self.container);
        let mut more = false;
        for (ended, from, to) in [(0, client, container), (1, container, client)] {
            if !self.ended[ended] {
                match pass(from, to, buffer)? {
                    Passed::All => {}
                    Passed::Some => more = true,
                    Passed::End => self.ended[ended] = true,
                }
            }
        }
        Ok(match more {
            _ if self.ended == [true; 2] => Passed::End,
            true => Passed::Some,
            false => Passed::All,
        })
    }
}

/// Passes on in one direction, with the end of it.
fn pass(from: &OwnedFd, to: &OwnedFd, buffer: &mut [u8]) -> rustix::io::Result<Passed> {
    for _ in 0..TURN_MAX {
        let count = match recv(from, &mut *buffer, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((0, _)) => {
                shutdown(to, Shutdown::Write)?;
                return Ok(Passed::End);
            }
            Ok((count, _)) => count,
            Err(Errno::AGAIN) => return Ok(Passed::All),
            Err(errno) => return Err(errno),
        };
        match send(to, &buffer[..count], SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(sent) => {
                let (_, dropped) = recv(from, &mut buffer[..sent], RecvFlags::TRUNC | RecvFlags::DONTWAIT)?;
                if dropped != sent {
                    return Err(Errno::IO);
                }
            }
            Err(Errno::AGAIN) => return Ok(Passed::All),
            Err(errno) => return Err(errno),
        }
    }
    Ok(Passed::Some)
}
