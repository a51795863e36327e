//! The resolver of one container: a DNS server on 127.0.0.11 inside, as a part of its supervisor.
//!
//! Names of the container's networks are answered from the run root; the rest goes to the host's resolvers, all at once.
//! Everything is bounded, nothing is cached, and an idle resolver holds four descriptors and no memory worth speaking of.
//!
//! ```text
//!   program ── 127.0.0.11:53 ── redirected to our port ──> Resolver ── decide ──┬── names of the run root
//!                                                                              └── forward ──> upstreams (host's namespace)
//! ```
//!
//! Own event queue: the supervisor watches that one descriptor and calls [`Resolver::ready`].

mod decide;
mod forward;
mod framed;
mod message;
mod names;
mod race;
mod sockets;
mod streams;
mod upstream;

use std::net::{IpAddr, SocketAddrV4};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::net::{RecvFlags, SendFlags, recvfrom, sendto};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use serde::{Deserialize, Serialize};
use sys::Context;

use decide::Decision;
use forward::{Forwarder, Question, Reply};
use message::{Malformed, Query};
use names::Names;
pub use sockets::{ADDRESS, Sockets, open};
use streams::Streams;
use upstream::Upstreams;

/// The longest question that is read; an honest one has at most a name, EDNS and a signature.
const QUESTION_MAX: usize = 4096;
/// Questions read in one turn, so that the container's output is served as well.
const TURN_MAX: usize = 32;

/// What a resolver has to know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolverConfig {
    /// The container's id.
    pub container: String,
    /// Holds `networks/` and `containers/`.
    pub run_root: PathBuf,
    /// `--dns`: asked from inside of the container instead of the host's resolvers.
    pub upstreams: Vec<IpAddr>,
    /// The host's `/etc/resolv.conf`.
    pub host_file: PathBuf,
}

/// Whom an answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    Datagram(SocketAddrV4),
    /// A connection: its place, and its number there.
    Stream {
        place: usize,
        number: u32,
    },
}

/// What can wake a resolver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Datagrams,
    Listener,
    Timer,
    Stream { number: u32, place: usize },
    Upstream { number: u32, slot: usize, place: usize },
}

impl Source {
    /// Numbers go with the event, because a place may be another's by the time it is handled.
    fn data(self) -> EventData {
        let (kind, number, slot, place) = match self {
            Self::Datagrams => (0, 0, 0, 0),
            Self::Listener => (1, 0, 0, 0),
            Self::Timer => (2, 0, 0, 0),
            Self::Stream { number, place } => (3, number, 0, place),
            Self::Upstream { number, slot, place } => (4, number, slot, place),
        };
        EventData::new_u64(
            u64::from(number) << 32 | (slot as u64 & 0xffff) << 16 | (place as u64) << 8 | kind,
        )
    }

    fn of(data: EventData) -> Self {
        let [kind, place, slot_low, slot_high, number @ ..] = data.u64().to_le_bytes();
        let number = u32::from_le_bytes(number);
        let place = usize::from(place);
        match kind {
            0 => Self::Datagrams,
            1 => Self::Listener,
            2 => Self::Timer,
            3 => Self::Stream { number, place },
            _ => {
                Self::Upstream { number, slot: usize::from(u16::from_le_bytes([slot_low, slot_high])), place }
            }
        }
    }
}

/// The running server.
#[derive(Debug)]
pub struct Resolver {
    epoll: OwnedFd,
    timer: OwnedFd,
    udp: OwnedFd,
    port: u16,
    names: Names,
    forwarder: Forwarder,
    streams: Streams,
    /// Grows with each question.
    turn: usize,
    /// Whether questions by UDP are read, or have to wait for room.
    reading: bool,
    /// What the timer is set to.
    alarm: Option<Instant>,
}

impl Resolver {
    /// Takes the sockets and begins to serve.
    pub fn start(config: &ResolverConfig, sockets: Sockets) -> sys::Result<Self> {
        let upstreams = Upstreams::new(&config.upstreams, config.host_file.clone());
        Self::with_upstreams(config, sockets, upstreams)
    }

    fn with_upstreams(config: &ResolverConfig, sockets: Sockets, upstreams: Upstreams) -> sys::Result<Self> {
        let Sockets { udp, tcp, port, inside } = sockets;
        let inside = if config.upstreams.is_empty() { None } else { Some(inside) };
        let epoll = epoll::create(CreateFlags::CLOEXEC)
            .context(|| "cannot make the resolver's event queue".into())?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)
            .context(|| "cannot make the resolver's timer".into())?;
        for (fd, source) in [(&udp, Source::Datagrams), (&tcp, Source::Listener), (&timer, Source::Timer)] {
            epoll::add(&epoll, fd, source.data(), EventFlags::IN)
                .context(|| "cannot watch the resolver's sockets".into())?;
        }
        let mut seed = [0u8; 2];
        let _ = rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::empty());
        Ok(Self {
            epoll,
            timer,
            udp,
            port,
            names: Names::new(config.run_root.clone(), config.container.clone()),
            forwarder: Forwarder::new(upstreams, inside),
            streams: Streams::new(tcp),
            turn: usize::from(u16::from_ne_bytes(seed)),
            reading: true,
            alarm: None,
        })
    }

    /// Returns where it listens, to be given to [`open`] by a successor.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Serves whatever is ready, without waiting.
    pub fn ready(&mut self) -> sys::Result<()> {
        let mut events = Vec::with_capacity(16);
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&none)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno).context(|| "cannot wait for questions".into()),
        }
        let now = Instant::now();
        for event in &events {
            match Source::of(event.data) {
                Source::Datagrams => self.read_datagrams(now),
                Source::Listener => self.streams.accept(&self.epoll, now),
                Source::Timer => {
                    let _ = rustix::io::read(&self.timer, &mut [0u8; 8]);
                    self.alarm = None;
                }
                Source::Stream { number, place } => self.read_stream((place, number), event.flags, now),
                Source::Upstream { number, slot, place } => {
                    let reply = self.forwarder.ready((number, slot, place), event.flags, &self.epoll, now);
                    self.deliver(reply, now);
                }
            }
        }
        let replies = self.forwarder.expire(&self.epoll, now);
        self.deliver(replies, now);
        self.streams.expire(now);
        self.make_way(now);
        self.set_alarm(now)
    }

    fn read_datagrams(&mut self, now: Instant) {
        for _ in 0..TURN_MAX {
            if !self.forwarder.has_room(now) {
                return;
            }
            let mut message = Vec::with_capacity(QUESTION_MAX);
            let buffer = rustix::buffer::spare_capacity(&mut message);
            let Ok((_, _, Some(from))) = recvfrom(&self.udp, buffer, RecvFlags::DONTWAIT) else { return };
            let Ok(from) = SocketAddrV4::try_from(from) else { continue };
            self.ask(Client::Datagram(from), message, now);
        }
    }

    fn read_stream(&mut self, stream: (usize, u32), flags: EventFlags, now: Instant) {
        for _ in 0..TURN_MAX {
            let Some(message) = self.streams.next(stream, flags, &self.epoll, now) else { return };
            let (place, number) = stream;
            self.ask(Client::Stream { place, number }, message, now);
        }
    }

    fn ask(&mut self, client: Client, message: Vec<u8>, now: Instant) {
        self.turn = self.turn.wrapping_add(1);
        let query = match Query::parse(&message) {
            Ok(query) => query,
            Err(Malformed::Refused(answer)) => return self.deliver([(client, answer)], now),
            Err(Malformed::Ignored) => return self.streams.drop_client(client),
        };
        let limit = match client {
            Client::Datagram(_) => query.udp_limit(),
            Client::Stream { .. } => usize::from(u16::MAX),
        };
        match decide::decide(&query, &self.names, self.turn, limit) {
            Decision::Answer(answer) => self.deliver([(client, answer)], now),
            Decision::Forward => {
                let question_end = query.question_end();
                let mut message = message;
                message.shrink_to_fit();
                let question = Question { client, message, question_end, limit };
                let replies = self.forwarder.ask(question, &self.epoll, now);
                self.deliver(replies, now);
            }
        }
    }

    fn deliver(&mut self, replies: impl IntoIterator<Item = Reply>, now: Instant) {
        for (client, answer) in replies {
            match client {
                Client::Datagram(address) => {
                    let _ = sendto(&self.udp, &answer, SendFlags::DONTWAIT | SendFlags::NOSIGNAL, &address);
                }
                Client::Stream { place, number } => {
                    self.streams.answer((place, number), &answer, &self.epoll, now);
                }
            }
        }
    }

    /// Lets questions wait in the socket while too many young ones are under way.
    fn make_way(&mut self, now: Instant) {
        let reading = self.forwarder.has_room(now);
        if reading != self.reading {
            let flags = if reading { EventFlags::IN } else { EventFlags::empty() };
            let _ = epoll::modify(&self.epoll, &self.udp, Source::Datagrams.data(), flags);
            self.reading = reading;
        }
    }

    fn set_alarm(&mut self, now: Instant) -> sys::Result<()> {
        let due = [self.forwarder.due(), self.streams.due(), self.forwarder.room_due(self.reading)];
        let due = due.into_iter().flatten().min();
        if due == self.alarm {
            return Ok(());
        }
        self.alarm = due;
        // Zero would stop the timer.
        let wait = due.map(|due| due.saturating_duration_since(now).max(Duration::from_micros(1)));
        let it_value = wait.map_or(Timespec { tv_sec: 0, tv_nsec: 0 }, |wait| Timespec {
            tv_sec: wait.as_secs() as i64,
            tv_nsec: i64::from(wait.subsec_nanos()),
        });
        let spec = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &spec)
            .context(|| "cannot set the resolver's timer".into())?;
        Ok(())
    }
}

impl AsFd for Resolver {
    /// Readable when [`Resolver::ready`] has something to do.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

#[cfg(test)]
#[path = "resolver/resolver_tests.rs"]
mod tests;
