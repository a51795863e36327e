//! Questions that were sent on: sockets towards the upstreams, retries, and what is learnt about who is alive.
//!
//! Each question has sockets and ids of its own, so that a forged answer has to guess both (RFC 5452); a connected
//! socket takes nothing from anybody else, and hears at once where nobody listens.
//!
//! ```text
//!   ask ──> UDP to every live upstream ──┬── decided ──> the client's answer; the sockets stay open until a second has
//!            again after 1 s and 2 s     │               passed, to hear which of the others are alive
//!            TCP to one whose answer     └── 4 s, or nobody is left ──> the best there is, or SERVFAIL
//!            was cut, if the client
//!            came by TCP
//! ```

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, EventFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, recv, send, socket_with,
};

use super::framed::Framed;
use super::message::{self, Worth};
use super::race::Race;
use super::sockets::Namespace;
use super::upstream::{UPSTREAMS_MAX, Upstreams};
use super::{Client, Source};

/// Questions under way at a time.
const QUESTIONS_MAX: usize = 128;
/// With that many under way, one that has waited this long gives way to a new one.
const GIVES_WAY: Duration = Duration::from_millis(500);
/// When an upstream that said nothing is asked again; glibc's patience is 5 s, musl's 2.5 s for a first answer.
const RETRY: Duration = Duration::from_secs(1);
const TRIES_MAX: u32 = 3;
/// When we give up, before the client does.
const GIVE_UP: Duration = Duration::from_secs(4);
/// How long the sockets of an answered question stay.
const LINGER: Duration = Duration::from_secs(1);
/// The longest message.
const MESSAGE_MAX: usize = 65535;

/// A question of a client.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) client: Client,
    /// The client's message, and where its question ends.
    pub(super) message: Vec<u8>,
    pub(super) question_end: usize,
    /// What the client takes.
    pub(super) limit: usize,
}

/// An answer, and whose it is.
pub(super) type Reply = (Client, Vec<u8>);

#[derive(Debug)]
struct Pending {
    number: u32,
    question: Question,
    /// Whether the client has its answer.
    answered: bool,
    race: Race,
    attempts: [Option<Attempt>; UPSTREAMS_MAX],
    started: Instant,
    tries: u32,
}

/// One upstream's part in a question.
#[derive(Debug)]
struct Attempt {
    upstream: SocketAddr,
    id: u16,
    link: Link,
}

#[derive(Debug)]
enum Link {
    Datagrams(OwnedFd),
    /// After an answer that was cut, which is kept.
    Stream(Framed, Vec<u8>),
}

/// All questions under way.
#[derive(Debug)]
pub(super) struct Forwarder {
    upstreams: Upstreams,
    /// Where the upstreams are asked from, if not from the host: those that the user named, which may be addresses
    /// that only the container reaches.
    inside: Option<Namespace>,
    slots: Vec<Option<Pending>>,
    last_number: u32,
}

impl Forwarder {
    pub(super) fn new(upstreams: Upstreams, inside: Option<Namespace>) -> Self {
        Self { upstreams, inside, slots: Vec::new(), last_number: 0 }
    }

    /// Whether another question is taken now; if not, a slot becomes free within half a second.
    pub(super) fn has_room(&self, now: Instant) -> bool {
        let gives_way = |slot: &Option<Pending>| {
            slot.as_ref().is_none_or(|pending| pending.answered || now >= pending.started + GIVES_WAY)
        };
        self.slots.len() < QUESTIONS_MAX || self.slots.iter().any(gives_way)
    }

    /// Sends a question to the upstreams. Returns the answers that this decides: its own where nobody can be asked,
    /// and that of the question whose place it takes.
    pub(super) fn ask(&mut self, question: Question, epoll: &OwnedFd, now: Instant) -> Vec<Reply> {
        self.upstreams.refresh();
        let (slot, evicted) = self.free_slot();
        self.last_number = self.last_number.wrapping_add(1);
        let mut pending = Pending {
            number: self.last_number,
            question,
            answered: false,
            race: Race::default(),
            attempts: [const { None }; UPSTREAMS_MAX],
            started: now,
            tries: 1,
        };
        let any_live = self.upstreams.list.iter().any(|upstream| upstream.is_live(now));
        self.open(&mut pending, slot, epoll, now, any_live);
        self.slots[slot] = Some(pending);
        evicted.into_iter().chain(self.conclude(slot, epoll, now)).collect()
    }

    /// Finds a place: an empty one, else that of a question which was answered, else that of the oldest.
    fn free_slot(&mut self) -> (usize, Option<Reply>) {
        if let Some(slot) = self.slots.iter().position(Option::is_none) {
            return (slot, None);
        }
        if self.slots.len() < QUESTIONS_MAX {
            self.slots.push(None);
            return (self.slots.len() - 1, None);
        }
        let age =
            |slot: &usize| self.slots[*slot].as_ref().map(|pending| (!pending.answered, pending.started));
        let slot = (0..self.slots.len()).min_by_key(age).unwrap_or(0);
        (slot, self.slots[slot].take().and_then(Pending::give_up))
    }

    /// Asks every upstream that was not asked yet; at first only those that are alive.
    fn open(&mut self, pending: &mut Pending, slot: usize, epoll: &OwnedFd, now: Instant, only_live: bool) {
        for (place, upstream) in self.upstreams.list.iter_mut().enumerate() {
            if pending.race.was_asked(place) || (only_live && !upstream.is_live(now)) {
                continue;
            }
            pending.race.asked(place);
            let source = Source::Upstream { number: pending.number, slot, place };
            match send_query(self.inside.as_ref(), upstream.address, &pending.question, epoll, source) {
                Ok(attempt) => {
                    upstream.asked(now);
                    pending.attempts[place] = Some(attempt);
                }
                Err(_) => {
                    upstream.unreachable(now);
                    pending.race.failed(place);
                }
            }
        }
    }

    /// Reads what came from an upstream.
    pub(super) fn ready(
        &mut self,
        (number, slot, place): (u32, usize, usize),
        flags: EventFlags,
        epoll: &OwnedFd,
        now: Instant,
    ) -> Option<Reply> {
        let pending = self.slots.get_mut(slot)?.as_mut().filter(|pending| pending.number == number)?;
        let attempt = pending.attempts.get_mut(place)?.as_mut()?;
        let source = Source::Upstream { number, slot, place };
        let outcome = match &mut attempt.link {
            Link::Datagrams(socket) => read_datagrams(socket, attempt.id, &pending.question),
            Link::Stream(framed, _) => {
                read_stream(framed, flags, attempt.id, &pending.question, (epoll, source))
            }
        };
        match outcome {
            Outcome::Nothing => return None,
            Outcome::Answer(Worth::Truncated, answer) if pending.wants_stream(place) => {
                self.upstreams.answered(pending.attempts[place].as_ref());
                if let Err(answer) =
                    pending.turn_to_stream(place, answer, self.inside.as_ref(), epoll, source)
                {
                    pending.finish(place, Worth::Truncated, answer, now);
                }
            }
            Outcome::Answer(worth, answer) => {
                self.upstreams.answered(pending.attempts[place].as_ref());
                pending.finish(place, worth, answer, now);
            }
            Outcome::Gone => {
                match pending.attempts[place].take().map(|attempt| (attempt.upstream, attempt.link)) {
                    // Better the part than nothing.
                    Some((_, Link::Stream(_, part))) => {
                        pending.race.answered(place, Worth::Truncated, part, now)
                    }
                    Some((address, Link::Datagrams(_))) => {
                        self.upstreams.unreachable(address, now);
                        pending.race.failed(place);
                    }
                    None => {}
                }
            }
        }
        self.conclude(slot, epoll, now)
    }

    /// Answers the client if it is decided, and frees the slot if nothing more is to be learnt.
    fn conclude(&mut self, slot: usize, epoll: &OwnedFd, now: Instant) -> Option<Reply> {
        let mut pending = self.slots.get_mut(slot)?.take()?;
        if !pending.race.anybody_runs() && !pending.answered && !pending.race.has_answer() {
            // Nobody listens where somebody was thought alive: perhaps one of the others is back.
            self.open(&mut pending, slot, epoll, now, false);
        }
        let mut reply = None;
        if !pending.answered && (pending.race.is_decided(now) || !pending.race.anybody_runs()) {
            reply = Some(pending.answer());
        }
        if pending.answered && !pending.race.anybody_runs() {
            self.shrink();
        } else {
            self.slots[slot] = Some(pending);
        }
        reply
    }

    /// Does what is due: asks again, decides, gives up.
    pub(super) fn expire(&mut self, epoll: &OwnedFd, now: Instant) -> Vec<Reply> {
        let mut replies = Vec::new();
        for slot in 0..self.slots.len() {
            let Some(mut pending) = self.slots.get_mut(slot).and_then(Option::take) else { continue };
            if now < pending.due() {
                self.slots[slot] = Some(pending);
            } else if pending.answered || now >= pending.started + GIVE_UP {
                replies.extend(pending.give_up());
            } else {
                if now >= pending.started + RETRY * pending.tries && pending.tries < TRIES_MAX {
                    pending.tries += 1;
                    self.open(&mut pending, slot, epoll, now, false);
                    self.ask_again(&pending, now);
                }
                self.slots[slot] = Some(pending);
                replies.extend(self.conclude(slot, epoll, now));
            }
        }
        self.shrink();
        replies
    }

    fn ask_again(&mut self, pending: &Pending, now: Instant) {
        for attempt in pending.attempts.iter().flatten() {
            if let Link::Datagrams(socket) = &attempt.link {
                let _ = send(socket, &pending.question.under(attempt.id), SendFlags::NOSIGNAL);
                self.upstreams.asked(attempt.upstream, now);
            }
        }
    }

    /// Returns when `expire` has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.slots.iter().flatten().map(Pending::due).min()
    }

    /// Returns when a question gives way, for those who wait outside.
    pub(super) fn room_due(&self, has_room: bool) -> Option<Instant> {
        if has_room {
            return None;
        }
        self.slots.iter().flatten().map(|pending| pending.started + GIVES_WAY).min()
    }

    /// Gives memory back when nothing is under way.
    fn shrink(&mut self) {
        if self.slots.iter().all(Option::is_none) {
            self.slots = Vec::new();
        }
    }
}

impl Upstreams {
    fn asked(&mut self, address: SocketAddr, now: Instant) {
        self.list.iter_mut().filter(|known| known.address == address).for_each(|known| known.asked(now));
    }

    fn answered(&mut self, attempt: Option<&Attempt>) {
        let Some(attempt) = attempt else { return };
        self.list
            .iter_mut()
            .filter(|known| known.address == attempt.upstream)
            .for_each(|known| known.answered());
    }

    fn unreachable(&mut self, address: SocketAddr, now: Instant) {
        self.list
            .iter_mut()
            .filter(|known| known.address == address)
            .for_each(|known| known.unreachable(now));
    }
}

impl Question {
    /// The message under an id of ours.
    fn under(&self, id: u16) -> Vec<u8> {
        let mut message = self.message.clone();
        message[..2].copy_from_slice(&id.to_be_bytes());
        message
    }
}

impl Pending {
    /// Whether a cut answer is worth a connection: the client can take the whole one.
    fn wants_stream(&self, place: usize) -> bool {
        let by_datagrams = matches!(&self.attempts[place], Some(Attempt { link: Link::Datagrams(_), .. }));
        by_datagrams && !self.answered && matches!(self.question.client, Client::Stream { .. })
    }

    /// Replaces an upstream's socket by a connection; gives the cut answer back where that fails.
    fn turn_to_stream(
        &mut self,
        place: usize,
        part: Vec<u8>,
        inside: Option<&Namespace>,
        epoll: &OwnedFd,
        source: Source,
    ) -> Result<(), Vec<u8>> {
        let Some(attempt) = &mut self.attempts[place] else { return Err(part) };
        let Ok(id) = random_id() else { return Err(part) };
        let Ok(socket) = open_towards(inside, attempt.upstream, SocketType::STREAM) else { return Err(part) };
        if epoll::add(epoll, &socket, source.data(), EventFlags::OUT).is_err() {
            return Err(part);
        }
        attempt.id = id;
        let mut framed = Framed::new(socket);
        framed.push(&self.question.under(id));
        attempt.link = Link::Stream(framed, part);
        Ok(())
    }

    fn finish(&mut self, place: usize, worth: Worth, answer: Vec<u8>, now: Instant) {
        self.attempts[place] = None;
        self.race.answered(place, worth, answer, now);
    }

    fn due(&self) -> Instant {
        if self.answered {
            return self.started + RETRY * (self.tries - 1) + LINGER;
        }
        let retry = (self.tries < TRIES_MAX).then(|| self.started + RETRY * self.tries);
        let patience = self.race.patience_ends();
        [retry, patience].into_iter().flatten().fold(self.started + GIVE_UP, Instant::min)
    }

    /// Takes the client's answer. What is still under way goes on by datagrams alone, and only to be heard of.
    fn answer(&mut self) -> Reply {
        self.answered = true;
        for place in 0..UPSTREAMS_MAX {
            if matches!(&self.attempts[place], Some(Attempt { link: Link::Stream(..), .. })) {
                self.attempts[place] = None;
                self.race.failed(place);
            }
        }
        let Question { client, message, question_end, limit } = &self.question;
        let answer = match self.race.take() {
            Some(answer) => message::pass_on(message, *question_end, answer, *limit),
            None => message::failure(message, *question_end),
        };
        (*client, answer)
    }

    fn give_up(mut self) -> Option<Reply> {
        (!self.answered).then(|| self.answer())
    }
}

enum Outcome {
    Nothing,
    Answer(Worth, Vec<u8>),
    Gone,
}

fn send_query(
    inside: Option<&Namespace>,
    upstream: SocketAddr,
    question: &Question,
    epoll: &OwnedFd,
    source: Source,
) -> Result<Attempt, Errno> {
    let id = random_id()?;
    let socket = open_towards(inside, upstream, SocketType::DGRAM)?;
    epoll::add(epoll, &socket, source.data(), EventFlags::IN)?;
    send(&socket, &question.under(id), SendFlags::NOSIGNAL)?;
    Ok(Attempt { upstream, id, link: Link::Datagrams(socket) })
}

/// Makes a socket that is, or is about to be, connected. The kernel chooses its port at random.
fn open_towards(
    inside: Option<&Namespace>,
    upstream: SocketAddr,
    kind: SocketType,
) -> Result<OwnedFd, Errno> {
    let open = || {
        let family = if upstream.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
        match connect(&socket, &upstream) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
            Err(errno) => Err(errno),
        }
    };
    match inside {
        Some(namespace) => namespace.enter(open).map_err(|error| error.errno().unwrap_or(Errno::PERM))?,
        None => open(),
    }
}

fn random_id() -> Result<u16, Errno> {
    let mut id = [0u8; 2];
    rustix::rand::getrandom(&mut id, rustix::rand::GetRandomFlags::empty())?;
    Ok(u16::from_ne_bytes(id))
}

/// Reads until an answer to the question comes; what is no such thing does not count.
fn read_datagrams(socket: &OwnedFd, id: u16, question: &Question) -> Outcome {
    for _ in 0..64 {
        // Pages of the buffer that nothing is written to are never touched.
        let mut answer = Vec::with_capacity(MESSAGE_MAX);
        match recv(socket, rustix::buffer::spare_capacity(&mut answer), RecvFlags::DONTWAIT) {
            Ok(_) => {
                if let Some(worth) = message::judge(&question.message, question.question_end, id, &answer) {
                    answer.shrink_to_fit();
                    return Outcome::Answer(worth, answer);
                }
            }
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Outcome::Nothing,
            Err(_) => return Outcome::Gone,
        }
    }
    Outcome::Nothing
}

fn read_stream(
    framed: &mut Framed,
    flags: EventFlags,
    id: u16,
    question: &Question,
    (epoll, source): (&OwnedFd, Source),
) -> Outcome {
    if flags.contains(EventFlags::OUT) {
        match framed.flush() {
            Ok(true) => {
                let _ = epoll::modify(epoll, &framed.socket, source.data(), EventFlags::IN);
            }
            Ok(false) => return Outcome::Nothing,
            Err(_) => return Outcome::Gone,
        }
    }
    match framed.next(MESSAGE_MAX) {
        Ok(Some(answer)) => match message::judge(&question.message, question.question_end, id, &answer) {
            Some(worth) => Outcome::Answer(worth, answer),
            None => Outcome::Gone,
        },
        Ok(None) => Outcome::Nothing,
        Err(_) => Outcome::Gone,
    }
}
