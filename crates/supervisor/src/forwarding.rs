//! Published ports that no firewall can lead to the container: the supervisor passes their traffic on.
//!
//! Those are ports of IPv6 on the host for a container without an address of that family, what comes to `::1`, and all
//! of them where the host's own rules are to decide.
//! Connections are made from the host's network namespace. Everything is bounded, no byte is kept here, and with no
//! traffic there are only the listening sockets.
//!
//! ```text
//!   client ── [host]:port ──> socket held by the guardian ──┬── Streams: a second connection, both ways
//!                                                           └── Datagrams: a socket a client, forgotten when silent
//!                                                                  └──> container's address:port
//! ```
//!
//! Own event queue: the supervisor watches that one descriptor and calls [`Forwarding::ready`].

mod datagrams;
mod streams;

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use network::{PortRule, Protocol};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use sys::Context;

use datagrams::Datagrams;
use streams::Streams;

/// Holds any datagram, and a good part of a stream.
const BUFFER_BYTES: usize = 64 * 1024;

/// A port whose traffic comes to us.
#[derive(Debug, Clone, Copy)]
struct Port<'a> {
    socket: &'a OwnedFd,
    container: SocketAddr,
}

/// What can wake it. Numbers go with the event, because a place may be another's by the time it is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Timer,
    /// A client connects.
    Listener(usize),
    /// One of a connection's two ends.
    Stream {
        number: u32,
        place: usize,
        end: End,
    },
    /// A client sends a datagram.
    Datagram(usize),
    /// The container answers one.
    Answer {
        number: u32,
        place: usize,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Client,
    Container,
}

impl Source {
    fn data(self) -> EventData {
        let (kind, place, number) = match self {
            Self::Timer => (0, 0, 0),
            Self::Listener(port) => (1, port, 0),
            Self::Stream { number, place, end: End::Client } => (2, place, number),
            Self::Stream { number, place, end: End::Container } => (3, place, number),
            Self::Datagram(port) => (4, port, 0),
            Self::Answer { number, place } => (5, place, number),
        };
        EventData::new_u64(u64::from(number) << 32 | (place as u64 & 0xff_ffff) << 8 | kind)
    }

    fn of(data: EventData) -> Self {
        let number = (data.u64() >> 32) as u32;
        let place = (data.u64() >> 8 & 0xff_ffff) as usize;
        match data.u64() & 0xff {
            0 => Self::Timer,
            1 => Self::Listener(place),
            2 => Self::Stream { number, place, end: End::Client },
            3 => Self::Stream { number, place, end: End::Container },
            4 => Self::Datagram(place),
            _ => Self::Answer { number, place },
        }
    }
}

/// All of one container's ports that are passed on.
#[derive(Debug)]
pub(crate) struct Forwarding<'a> {
    epoll: OwnedFd,
    streams: Streams<'a>,
    datagrams: Datagrams<'a>,
    /// Made when it is first needed.
    timer: Option<OwnedFd>,
    /// What the timer is set to.
    alarm: Option<Instant>,
}

impl<'a> Forwarding<'a> {
    /// Begins to serve those of the ports that need it; `None` where none does. The sockets are in the order of the rules.
    pub(crate) fn start(rules: &[PortRule], sockets: &'a [OwnedFd]) -> sys::Result<Option<Self>> {
        let of = |protocol| {
            let ports = rules.iter().zip(sockets);
            let ports = ports.filter(|(rule, _)| rule.is_listened_for() && rule.protocol == protocol);
            ports.map(|(rule, socket)| Port { socket, container: rule.container }).collect::<Vec<_>>()
        };
        let (listeners, senders) = (of(Protocol::Tcp), of(Protocol::Udp));
        if listeners.is_empty() && senders.is_empty() {
            return Ok(None);
        }
        let epoll = epoll::create(CreateFlags::CLOEXEC)
            .context(|| "cannot make an event queue for published ports".into())?;
        let streams = Streams::start(listeners, &epoll)?;
        let datagrams = Datagrams::start(senders, &epoll)?;
        Ok(Some(Self { epoll, streams, datagrams, timer: None, alarm: None }))
    }

    /// Serves whatever is ready, without waiting.
    pub(crate) fn ready(&mut self) -> sys::Result<()> {
        let mut events = Vec::with_capacity(16);
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&none)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno).context(|| "cannot wait for published ports".into()),
        }
        let now = Instant::now();
        // Not kept: connections that are silent cost nothing.
        let mut buffer = vec![0; BUFFER_BYTES];
        for event in &events {
            match Source::of(event.data) {
                Source::Timer => {
                    let _ = self.timer.as_ref().map(|timer| rustix::io::read(timer, &mut [0u8; 8]));
                    self.alarm = None;
                }
                Source::Listener(port) => self.streams.accept(port, &self.epoll, now),
                Source::Stream { number, place, end } => {
                    self.streams.ready((place, number), end, &mut buffer, &self.epoll);
                }
                Source::Datagram(port) => self.datagrams.receive(port, &mut buffer, &self.epoll, now),
                Source::Answer { number, place } => {
                    self.datagrams.answer((place, number), &mut buffer, now);
                }
            }
        }
        self.streams.resume(&self.epoll, now);
        self.datagrams.expire(now);
        self.set_alarm(now)
    }

    fn set_alarm(&mut self, now: Instant) -> sys::Result<()> {
        let due = self.streams.due().into_iter().chain(self.datagrams.due()).min();
        let Some(due) = due.filter(|due| self.alarm.is_none_or(|alarm| *due < alarm)) else {
            // An alarm that is too early is set anew when it comes: traffic puts it off all the time.
            return Ok(());
        };
        let timer = match &mut self.timer {
            Some(timer) => timer,
            none => none.insert(new_timer(&self.epoll)?),
        };
        // Zero would stop the timer.
        let wait = due.saturating_duration_since(now).max(Duration::from_micros(1));
        let it_value = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
        let spec = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        rustix::time::timerfd_settime(timer, TimerfdTimerFlags::empty(), &spec)
            .context(|| "cannot set the timer of published ports".into())?;
        self.alarm = Some(due);
        Ok(())
    }
}

fn new_timer(epoll: &OwnedFd) -> sys::Result<OwnedFd> {
    let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
    let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)
        .context(|| "cannot make a timer for published ports".into())?;
    epoll::add(epoll, &timer, Source::Timer.data(), EventFlags::IN)
        .context(|| "cannot watch the timer of published ports".into())?;
    Ok(timer)
}

impl AsFd for Forwarding<'_> {
    /// Readable when [`Forwarding::ready`] has something to do.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

#[cfg(test)]
#[path = "forwarding/forwarding_tests.rs"]
mod tests;
