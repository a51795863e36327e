//! Clients that ask by TCP: few, each with one question under way.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, EventFlags};
use rustix::net::{SocketFlags, accept_with};

use super::framed::Framed;
use super::{Client, QUESTION_MAX, Source};

/// Connections at a time; one more replaces the one that was silent for longest.
const STREAMS_MAX: usize = 16;
/// How long a connection may be silent.
const IDLE: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Stream {
    framed: Framed,
    number: u32,
    /// Whether its question is under way.
    waits: bool,
    used: Instant,
}

/// The listener and all connections; places are stable.
#[derive(Debug)]
pub(super) struct Streams {
    listener: OwnedFd,
    places: Vec<Option<Stream>>,
    last_number: u32,
}

impl Streams {
    pub(super) fn new(listener: OwnedFd) -> Self {
        Self { listener, places: Vec::new(), last_number: 0 }
    }

    /// Takes who has connected.
    pub(super) fn accept(&mut self, epoll: &OwnedFd, now: Instant) {
        for _ in 0..STREAMS_MAX {
            let Ok(socket) = accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) else {
                return;
            };
            self.last_number = self.last_number.wrapping_add(1);
            let place = self.free_place();
            let source = Source::Stream { number: self.last_number, place };
            if epoll::add(epoll, socket.as_fd(), source.data(), EventFlags::IN).is_ok() {
                let framed = Framed::new(socket);
                self.places[place] =
                    Some(Stream { framed, number: self.last_number, waits: false, used: now });
            }
        }
    }

    fn free_place(&mut self) -> usize {
        if let Some(place) = self.places.iter().position(Option::is_none) {
            return place;
        }
        if self.places.len() < STREAMS_MAX {
            self.places.push(None);
            return self.places.len() - 1;
        }
        let used = |place: &usize| self.places[*place].as_ref().map(|stream| stream.used);
        (0..self.places.len()).min_by_key(used).unwrap_or(0)
    }

    /// Returns the next question of a connection that is ready.
    pub(super) fn next(
        &mut self,
        (place, number): (usize, u32),
        flags: EventFlags,
        epoll: &OwnedFd,
        now: Instant,
    ) -> Option<Vec<u8>> {
        let stream = self.places.get_mut(place)?.as_mut().filter(|stream| stream.number == number)?;
        // It has gone altogether; one that has only said its last word still gets its answer.
        if flags.intersects(EventFlags::ERR | EventFlags::HUP) {
            self.close(place);
            return None;
        }
        let sent = stream.framed.flush();
        if stream.waits && sent.is_ok() {
            return None;
        }
        let message = match sent {
            // It takes what it has first.
            Ok(false) => Ok(None),
            Ok(true) => stream.framed.next(QUESTION_MAX),
            Err(errno) => Err(errno),
        };
        match message {
            Ok(message) => {
                stream.waits = message.is_some();
                if message.is_some() {
                    stream.used = now;
                }
                stream.set_interest(epoll, place, sent == Ok(true));
                message
            }
            Err(_) => {
                self.close(place);
                None
            }
        }
    }

    /// Sends an answer to whom it is for, if it is still there.
    pub(super) fn answer(
        &mut self,
        (place, number): (usize, u32),
        answer: &[u8],
        epoll: &OwnedFd,
        now: Instant,
    ) {
        let Some(stream) = self.places.get_mut(place).and_then(Option::as_mut) else { return };
        if stream.number != number {
            return;
        }
        stream.waits = false;
        stream.used = now;
        stream.framed.push(answer);
        match stream.framed.flush() {
            // Its next question may be in our buffer already, of which the socket tells nothing: asking for room wakes
            // us at once.
            Ok(sent) => stream.set_interest(epoll, place, sent && !stream.framed.has_input()),
            Err(_) => self.close(place),
        }
    }

    /// Closes the connection of a client that breaks the protocol.
    pub(super) fn drop_client(&mut self, client: Client) {
        if let Client::Stream { place, number } = client
            && self.places.get(place).and_then(Option::as_ref).is_some_and(|stream| stream.number == number)
        {
            self.close(place);
        }
    }

    pub(super) fn expire(&mut self, now: Instant) {
        for place in 0..self.places.len() {
            if self.places.get(place).and_then(Option::as_ref).is_some_and(|stream| now >= stream.used + IDLE)
            {
                self.close(place);
            }
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.places.iter().flatten().map(|stream| stream.used + IDLE).min()
    }

    fn close(&mut self, place: usize) {
        self.places[place] = None;
        if self.places.iter().all(Option::is_none) {
            self.places = Vec::new();
        }
    }
}

impl Stream {
    /// Listens for questions unless one is under way, and for room while an answer is to be taken.
    fn set_interest(&self, epoll: &OwnedFd, place: usize, all_sent: bool) {
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IN, all_sent && !self.waits);
        flags.set(EventFlags::OUT, !all_sent);
        let source = Source::Stream { number: self.number, place };
        let _ = epoll::modify(epoll, &self.framed.socket, source.data(), flags);
    }
}
