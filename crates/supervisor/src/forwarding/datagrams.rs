//! Datagrams by UDP: a socket towards the container for each client, by which its answers are told apart.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, EventFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, recv, send, socket_with,
};
use sys::Context;

use super::{Port, Source};

/// Clients at a time, of all ports; one more replaces the one that was silent for longest.
const FLOWS_MAX: usize = 64;
/// How long a client may be silent.
const IDLE: Duration = Duration::from_secs(90);
/// Datagrams read in one turn, so that others are served as well.
const TURN_MAX: usize = 32;

/// One client of one port, as which we speak to the container.
#[derive(Debug)]
struct Flow {
    number: u32,
    port: usize,
    client: SocketAddr,
    /// Where the client sends to, and so where its answers come from.
    ours: IpAddr,
    container: OwnedFd,
    used: Instant,
}

/// The ports and all clients; places are stable.
#[derive(Debug)]
pub(super) struct Datagrams<'a> {
    ports: Vec<Port<'a>>,
    places: Vec<Option<Flow>>,
    last_number: u32,
}

impl<'a> Datagrams<'a> {
    pub(super) fn start(ports: Vec<Port<'a>>, epoll: &OwnedFd) -> sys::Result<Self> {
        for (port, Port { socket, .. }) in ports.iter().enumerate() {
            sys::packet::tell_destinations(socket.as_fd())?;
            epoll::add(epoll, socket, Source::Datagram(port).data(), EventFlags::IN)
                .context(|| "cannot watch a published port".into())?;
        }
        Ok(Self { ports, places: Vec::new(), last_number: 0 })
    }

    /// Passes on what clients send.
    pub(super) fn receive(&mut self, port: usize, buffer: &mut [u8], epoll: &OwnedFd, now: Instant) {
        let Some(Port { socket, .. }) = self.ports.get(port).copied() else { return };
        for _ in 0..TURN_MAX {
            let received = match sys::packet::receive(socket.as_fd(), buffer) {
                Ok(received) => received,
                Err(Errno::AGAIN) => return,
                // One that is not for us, or the answer to an answer that nobody wanted.
                Err(_) => continue,
            };
            let Some(place) = self.flow_of(port, received.from, received.to, epoll, now) else { continue };
            if let Some(flow) = &mut self.places[place] {
                flow.used = now;
                let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
                let bytes = &buffer[..received.length];
                // The first may only tell that an earlier one was refused; then it is still to be sent.
                let _ = send(&flow.container, bytes, flags).or_else(|_| send(&flow.container, bytes, flags));
            }
        }
    }

    /// Finds or makes the place of a client.
    fn flow_of(
        &mut self,
        port: usize,
        client: SocketAddr,
        ours: IpAddr,
        epoll: &OwnedFd,
        now: Instant,
    ) -> Option<usize> {
        let is_its = |flow: &Flow| (flow.port, flow.client, flow.ours) == (port, client, ours);
        if let Some(place) = self.places.iter().position(|flow| flow.as_ref().is_some_and(is_its)) {
            return Some(place);
        }
        let container = connected(self.ports[port].container).ok()?;
        self.last_number = self.last_number.wrapping_add(1);
        let number = self.last_number;
        let place = self.free_place();
        let data = Source::Answer { number, place }.data();
        epoll::add(epoll, &container, data, EventFlags::IN).ok()?;
        self.places[place] = Some(Flow { number, port, client, ours, container, used: now });
        Some(place)
    }

    fn free_place(&mut self) -> usize {
        if let Some(place) = self.places.iter().position(Option::is_none) {
            return place;
        }
        if self.places.len() < FLOWS_MAX {
            self.places.push(None);
            return self.places.len() - 1;
        }
        let used = |place: &usize| self.places[*place].as_ref().map(|flow| flow.used);
        (0..self.places.len()).min_by_key(used).unwrap_or(0)
    }

    /// Passes on what the container answers.
    pub(super) fn answer(&mut self, (place, number): (usize, u32), buffer: &mut [u8], now: Instant) {
        let Some(flow) = self.places.get_mut(place).and_then(Option::as_mut) else { return };
        if flow.number != number {
            return;
        }
        for _ in 0..TURN_MAX {
            match recv(&flow.container, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((count, _)) => {
                    flow.used = now;
                    let socket = self.ports[flow.port].socket.as_fd();
                    let _ = sys::packet::send_from(socket, &buffer[..count], flow.ours, flow.client);
                }
                Err(Errno::AGAIN) => return,
                // The container refuses: the client hears nothing, as from a host that is not there.
                Err(_) => {}
            }
        }
    }

    pub(super) fn expire(&mut self, now: Instant) {
        for place in &mut self.places {
            if place.as_ref().is_some_and(|flow| now >= flow.used + IDLE) {
                *place = None;
            }
        }
        if self.places.iter().all(Option::is_none) {
            self.places = Vec::new();
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.places.iter().flatten().map(|flow| flow.used + IDLE).min()
    }
}

fn connected(address: SocketAddr) -> rustix::io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::DGRAM, flags, None)?;
    // It takes nothing from anybody else.
    connect(&socket, &address)?;
    Ok(socket)
}
