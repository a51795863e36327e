//! The supervisor's clients: attached terminals, waiters.
//!
//! A client that does not read holds at most one record here. While any attached client has one, the
//! container's output is not read (its pipe fills, then it waits), so memory stays flat and nothing is lost.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::epoll::{self, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send};
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
}

#[derive(Debug)]
struct Client {
    socket: OwnedFd,
    streams: Attachment,
    /// Whether its end of input is the container's.
    owns_stdin: bool,
    /// A record that did not fit into the socket.
    pending: Option<Vec<u8>>,
    /// Whether its input waits for the container to read.
    held: bool,
}

/// Sends a record on a socket that has room for it.
pub(crate) fn send_now(socket: &OwnedFd, reply: &Reply<'_>) {
    let _ = send(socket, &reply.encode(), SendFlags::NOSIGNAL);
}

impl Clients {
    /// Takes the client that launched the container.
    pub(crate) fn add_launcher(&mut self, socket: OwnedFd, streams: Attachment, owns_stdin: bool) {
        self.places.push(Some(Client { socket, streams, owns_stdin, pending: None, held: false }));
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
            let client = Client {
                socket,
                streams: Attachment::default(),
                owns_stdin: false,
                pending: None,
                held: false,
            };
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

    /// Whether an attached client still has a record to take.
    pub(crate) fn are_full(&self) -> bool {
        self.places.iter().flatten().any(|client| client.pending.is_some())
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
            let record = Reply::Output(stream, bytes).encode();
            match send(&client.socket, &record, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(_) => {}
                Err(Errno::AGAIN) => {
                    client.pending = Some(record);
                    let flags = EventFlags::IN | EventFlags::OUT;
                    let _ = epoll::modify(epoll, &client.socket, Source::Client(place).data(), flags);
                }
                Err(_) => self.places[place] = None,
            }
        }
    }

    /// Serves one client.
    pub(crate) fn handle(
        &mut self,
        place: usize,
        flags: EventFlags,
        epoll: &OwnedFd,
        input: &mut Input,
    ) -> sys::Result<()> {
        if flags.contains(EventFlags::OUT) {
            self.flush(place, epoll);
        }
        if !flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            return Ok(());
        }
        let Some(client) = self.places.get_mut(place).and_then(Option::as_mut) else { return Ok(()) };
        self.buffer.resize(CHUNK + 1, 0);
        match recv(&client.socket, &mut self.buffer[..], RecvFlags::DONTWAIT) {
            Ok((0, _)) => {
                if client.owns_stdin {
                    input.end();
                }
                self.places[place] = None;
            }
            Ok((count, _)) => match Request::decode(&self.buffer[..count]) {
                Some(Request::Attach(streams)) => client.streams = streams,
                Some(Request::Stdin(bytes)) => {
                    if !input.write(bytes, epoll)? {
                        client.held = true;
                        let _ = epoll::modify(
                            epoll,
                            &client.socket,
                            Source::Client(place).data(),
                            EventFlags::empty(),
                        );
                    }
                }
                Some(Request::StdinEnd) => {
                    if client.owns_stdin {
                        input.end();
                    }
                }
                Some(Request::Resize { rows, columns }) => input.resize(rows, columns),
                None => self.places[place] = None,
            },
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.places[place] = None,
        }
        if self.places.iter().all(Option::is_none) {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    /// Listens again to those whose input had to wait.
    pub(crate) fn release_input(&mut self, epoll: &OwnedFd) {
        for (place, client) in self.places.iter_mut().enumerate() {
            if let Some(client) = client.as_mut().filter(|client| client.held) {
                client.held = false;
                let _ = epoll::modify(epoll, &client.socket, Source::Client(place).data(), EventFlags::IN);
            }
        }
    }

    fn flush(&mut self, place: usize, epoll: &OwnedFd) {
        let Some(client) = self.places.get_mut(place).and_then(Option::as_mut) else { return };
        if let Some(record) = &client.pending {
            match send(&client.socket, record, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(_) => client.pending = None,
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    self.places[place] = None;
                    return;
                }
            }
        }
        let _ = epoll::modify(epoll, &client.socket, Source::Client(place).data(), EventFlags::IN);
    }

    /// Sends everything that is left and a last word, waiting for slow readers for a while.
    pub(crate) fn send_last(&mut self, reply: &Reply<'_>) {
        let timeout = std::time::Duration::from_secs(10);
        for client in self.places.drain(..).flatten() {
            let _ = rustix::net::sockopt::set_socket_timeout(
                &client.socket,
                rustix::net::sockopt::Timeout::Send,
                Some(timeout),
            );
            if let Some(record) = &client.pending {
                let _ = send(&client.socket, record, SendFlags::NOSIGNAL);
            }
            send_now(&client.socket, reply);
        }
    }

    /// Waits until every attached client has taken its record.
    pub(crate) fn flush_blocking(&mut self) {
        for client in self.places.iter_mut().flatten() {
            if let Some(record) = client.pending.take() {
                let timeout = std::time::Duration::from_secs(10);
                let _ = rustix::net::sockopt::set_socket_timeout(
                    &client.socket,
                    rustix::net::sockopt::Timeout::Send,
                    Some(timeout),
                );
                let _ = send(&client.socket, &record, SendFlags::NOSIGNAL);
            }
        }
    }
}

fn watch(epoll: &OwnedFd, client: &Client, place: usize) -> sys::Result<()> {
    epoll::add(epoll, client.socket.as_fd(), Source::Client(place).data(), EventFlags::IN)
        .context(|| "cannot watch a client".into())
}
