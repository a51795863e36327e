//! The supervisor's clients: attached terminals, waiters.
//!
//! A client that does not read holds at most one record here. While any attached client has one, the
//! container's output is not read (its pipe fills, then it waits), so memory stays flat and nothing is lost.
//! At the container's end what its pipes still held is queued, and the supervisor stays until every
//! client has taken its part or has gone.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::epoll::{self, EventFlags};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, SocketFlags, accept_with, recv, send, sendmsg};
use sys::Context;

use super::Source;
use super::input::Input;
use crate::job::Attachment;
use crate::protocol::{CHUNK, Reply, Request, Stream};

/// All clients; places are stable.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    places: Vec<Option<Client>>,
    buffer: Vec<u8>,
    /// Whether the end of an attached client's input is the container's.
    pub(crate) stdin_once: bool,
    /// How many bytes are kept for one that does not read; without a number the container waits for it.
    pub(crate) bytes_max: Option<u64>,
    /// Bytes that were not kept.
    pub(crate) dropped: u64,
}

/// What a client may want of the supervisor as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Names are to be answered.
    Names,
}

#[derive(Debug)]
struct Client {
    socket: OwnedFd,
    streams: Attachment,
    /// Whether its end of input is the container's.
    owns_stdin: bool,
    /// Records that did not fit into the socket.
    pending: VecDeque<Vec<u8>>,
    /// Whether its input waits for the container to read.
    held: bool,
    /// Bytes that it has missed and was not told of yet.
    missed: u64,
}

/// Sends a record on a socket that has room for it.
pub(crate) fn send_now(socket: &OwnedFd, reply: &Reply<'_>) {
    let _ = send(socket, &reply.encode(), SendFlags::NOSIGNAL);
}

impl Clients {
    /// Takes the client that launched the container.
    pub(crate) fn add_launcher(&mut self, socket: OwnedFd, streams: Attachment, owns_stdin: bool) {
        self.places.push(Some(Client { owns_stdin, streams, ..Client::new(socket) }));
    }

    pub(crate) fn register(&self, epoll: &OwnedFd) -> sys::Result<()> {
        for (place, client) in self.places.iter().enumerate() {
            if let Some(client) = client {
                watch(epoll, client, place)?;
            }
        }
        Ok(())
    }

    pub(crate) fn accept(&mut self, listener: &OwnedFd, epoll: &OwnedFd) -> sys::Result<()> {
        while let Ok(socket) = accept_with(listener, SocketFlags::CLOEXEC) {
            let client = Client::new(socket);
            let place = self.places.iter().position(Option::is_none).unwrap_or(self.places.len());
            watch(epoll, &client, place)?;
            if place == self.places.len() {
                self.places.push(Some(client));
            } else {
                self.places[place] = Some(client);
            }
        }
        Ok(())
    }

    /// Takes those who connected while the container was cleared away.
    pub(crate) fn accept_last(&mut self, listener: &OwnedFd) {
        while let Ok(socket) = accept_with(listener, SocketFlags::CLOEXEC) {
            self.add_launcher(socket, Attachment::default(), false);
        }
    }

    /// Whether the container must wait for an attached client that still has a record to take.
    pub(crate) fn are_full(&self) -> bool {
        self.bytes_max.is_none() && self.places.iter().flatten().any(|client| !client.pending.is_empty())
    }

    /// Passes output to those who want the stream.
    pub(crate) fn output(&mut self, stream: Stream, bytes: &[u8], epoll: &OwnedFd) {
        for place in 0..self.places.len() {
            let Some(client) = &mut self.places[place] else { continue };
            let wanted = match stream {
                Stream::Stdout => client.streams.stdout,
                Stream::Stderr => client.streams.stderr,
            };
            if !wanted {
                continue;
            }
            if let Some(bytes_max) = self.bytes_max {
                let kept: usize = client.pending.iter().map(Vec::len).sum();
                if kept > 0 && (kept + bytes.len()) as u64 > bytes_max {
                    client.missed += bytes.len() as u64;
                    self.dropped += bytes.len() as u64;
                    continue;
                }
                client.tell_missed();
            }
            match client.send_output(stream, bytes) {
                Sent::All => {}
                Sent::Some => client.set_interest(epoll, place),
                Sent::Gone => self.places[place] = None,
            }
        }
    }

    /// Serves one client; returns what it wants of others than us.
    pub(crate) fn handle(
        &mut self,
        place: usize,
        flags: EventFlags,
        epoll: &OwnedFd,
        input: &mut Input,
    ) -> sys::Result<Option<Wish>> {
        if flags.contains(EventFlags::OUT) {
            self.flush(place, epoll);
        }
        if !flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            return Ok(None);
        }
        let mut wish = None;
        let Some(client) = self.places.get_mut(place).and_then(Option::as_mut) else { return Ok(None) };
        self.buffer.resize(CHUNK + 1, 0);
        match recv(&client.socket, &mut self.buffer[..], RecvFlags::DONTWAIT) {
            Ok((0, _)) => {
                if client.owns_stdin {
                    input.end();
                }
                self.places[place] = None;
            }
            Ok((count, _)) => match Request::decode(&self.buffer[..count]) {
                Some(Request::Attach(streams)) => {
                    client.streams = streams;
                    client.owns_stdin = streams.stdin && self.stdin_once;
                }
                Some(Request::Stdin(bytes)) => {
                    if !input.write(bytes, epoll)? {
                        client.held = true;
                        client.set_interest(epoll, place);
                    }
                }
                Some(Request::StdinEnd) => {
                    if client.owns_stdin {
                        input.end();
                    }
                }
                Some(Request::Resize { rows, columns }) => input.resize(rows, columns),
                // It runs.
                Some(Request::GiveUp) => {}
                Some(Request::Names) => wish = Some(Wish::Names),
                // A wish of a newer version.
                None => return Ok(None),
            },
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.places[place] = None,
        }
        if self.places.iter().all(Option::is_none) {
            self.buffer = Vec::new();
        }
        Ok(wish)
    }

    /// Answers one client; one that does not take its answer is let go.
    pub(crate) fn answer(&mut self, place: usize, reply: &Reply<'_>, epoll: &OwnedFd) {
        let Some(client) = self.places.get_mut(place).and_then(Option::as_mut) else { return };
        client.pending.push_back(reply.encode());
        match client.send_pending() {
            Sent::All => {}
            Sent::Some => client.set_interest(epoll, place),
            Sent::Gone => self.places[place] = None,
        }
    }

    /// Listens again to those whose input had to wait.
    pub(crate) fn release_input(&mut self, epoll: &OwnedFd) {
        for (place, client) in self.places.iter_mut().enumerate() {
            if let Some(client) = client.as_mut().filter(|client| client.held) {
                client.held = false;
                client.set_interest(epoll, place);
            }
        }
    }

    fn flush(&mut self, place: usize, epoll: &OwnedFd) {
        let Some(client) = self.places.get_mut(place).and_then(Option::as_mut) else { return };
        match client.send_pending() {
            Sent::All => client.set_interest(epoll, place),
            Sent::Some => {}
            Sent::Gone => self.places[place] = None,
        }
    }

    /// Does the same in a process of its own where somebody is slow, which keeps nobody waiting.
    pub(crate) fn send_last_aside<'r>(&mut self, replies: impl Iterator<Item = Reply<'r>>) {
        let replies: Vec<Vec<u8>> = replies.map(|reply| reply.encode()).collect();
        let mut clients: Vec<Client> = self.places.drain(..).flatten().collect();
        for client in &mut clients {
            client.pending.extend(replies.iter().cloned());
        }
        clients.retain_mut(|client| client.send_pending() == Sent::Some);
        if !clients.is_empty() {
            // The guardian's child: it reaps.
            let options = sys::process::CloneOptions { sibling: true, ..Default::default() };
            let _ = sys::process::clone(options, || {
                // Nobody else's end is to wait for a slow reader.
                let keep: Vec<_> = clients.iter().map(|client| client.socket.as_fd()).collect();
                let _ = sys::process::close_all_but(&keep);
                serve_out(clients);
                0
            });
        }
    }

    /// Sends everything that is left and a last word; a slow reader keeps nobody waiting but us.
    pub(crate) fn send_last<'r>(&mut self, replies: impl Iterator<Item = Reply<'r>>) {
        let mut clients: Vec<Client> = self.places.drain(..).flatten().collect();
        clients.iter_mut().for_each(Client::tell_missed);
        for reply in replies {
            clients.iter_mut().for_each(|client| client.pending.push_back(reply.encode()));
        }
        serve_out(clients);
    }
}

/// Serves clients until each has taken its part or has gone.
fn serve_out(mut clients: Vec<Client>) {
    loop {
        clients.retain_mut(|client| client.send_pending() == Sent::Some);
        if clients.is_empty() {
            return;
        }
        let mut fds: Vec<_> =
            clients.iter().map(|client| PollFd::new(&client.socket, PollFlags::OUT)).collect();
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    All,
    Some,
    Gone,
}

impl Client {
    fn new(socket: OwnedFd) -> Self {
        let streams = Attachment::default();
        Self { socket, streams, owns_stdin: false, pending: VecDeque::new(), held: false, missed: 0 }
    }

    /// Says how much it has missed, where that is something.
    fn tell_missed(&mut self) {
        let missed = std::mem::take(&mut self.missed);
        if missed > 0 {
            let text = format!("{missed} bytes of output were dropped: they were not read in time");
            self.pending.push_back(Reply::Warning(&text).encode());
        }
    }

    /// Sends output if nothing waits before it and there is room, from where it lies; else it is kept.
    fn send_output(&mut self, stream: Stream, bytes: &[u8]) -> Sent {
        if self.pending.is_empty() {
            let record = [IoSlice::new(Reply::output_head(stream)), IoSlice::new(bytes)];
            let (mut none, flags) =
                (SendAncillaryBuffer::default(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
            match sendmsg(&self.socket, &record, &mut none, flags) {
                Ok(_) => return Sent::All,
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(_) => return Sent::Gone,
            }
        }
        self.pending.push_back(Reply::Output(stream, bytes).encode());
        self.send_pending()
    }

    /// Sends what the socket takes.
    fn send_pending(&mut self) -> Sent {
        while let Some(record) = self.pending.front() {
            match send(&self.socket, record, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(_) => drop(self.pending.pop_front()),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Sent::Some,
                Err(_) => return Sent::Gone,
            }
        }
        self.pending.shrink_to(0);
        Sent::All
    }

    /// Listens to it unless its input must wait, and for room while it has records to take.
    fn set_interest(&self, epoll: &OwnedFd, place: usize) {
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IN, !self.held);
        flags.set(EventFlags::OUT, !self.pending.is_empty());
        let _ = epoll::modify(epoll, &self.socket, Source::Client(place).data(), flags);
    }
}

fn watch(epoll: &OwnedFd, client: &Client, place: usize) -> sys::Result<()> {
    epoll::add(epoll, client.socket.as_fd(), Source::Client(place).data(), EventFlags::IN)
        .context(|| "cannot watch a client".into())
}
