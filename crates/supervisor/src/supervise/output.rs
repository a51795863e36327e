//! The way of output: from the container's pipes or terminal to its log and its clients.

use std::os::fd::OwnedFd;

use rustix::event::epoll::{self, EventFlags};
use rustix::io::Errno;
use sys::Context;

use super::Source;
use super::clients::Clients;
use crate::guardian::Holdings;
use crate::job::LogConfig;
use crate::log::Writer;
use crate::protocol::{CHUNK, Stream};

/// The container's output streams.
#[derive(Debug)]
pub(crate) struct Outputs<'a> {
    streams: Vec<Output<'a>>,
    log: Option<Writer>,
    buffer: Vec<u8>,
    paused: bool,
}

#[derive(Debug)]
struct Output<'a> {
    source: Source,
    stream: Stream,
    fd: &'a OwnedFd,
    open: bool,
}

impl<'a> Outputs<'a> {
    pub(crate) fn new(holdings: &'a Holdings, log: Option<LogConfig>) -> Self {
        let output = |source, stream, fd| Output { source, stream, fd, open: true };
        let mut streams = Vec::with_capacity(2);
        if let Some(console) = &holdings.console {
            streams.push(output(Source::Stdout, Stream::Stdout, &console.pty.master));
        }
        if let Some(fd) = &holdings.stdout {
            streams.push(output(Source::Stdout, Stream::Stdout, fd));
        }
        if let Some(fd) = &holdings.stderr {
            streams.push(output(Source::Stderr, Stream::Stderr, fd));
        }
        Self { streams, log: log.map(Writer::new), buffer: Vec::new(), paused: false }
    }

    /// How many records of the log could not be written.
    pub(crate) fn dropped(&self) -> u64 {
        self.log.as_ref().map_or(0, Writer::dropped)
    }

    pub(crate) fn register(&self, epoll: &OwnedFd) -> sys::Result<()> {
        for output in &self.streams {
            let _ = rustix::io::ioctl_fionbio(output.fd, true);
            epoll::add(epoll, output.fd, output.source.data(), EventFlags::IN)
                .context(|| "cannot watch the container's output".into())?;
        }
        Ok(())
    }

    /// Moves one chunk of a stream on; stops reading all of them while a client is full.
    pub(crate) fn pump(&mut self, source: Source, clients: &mut Clients, epoll: &OwnedFd) -> sys::Result<()> {
        if self.paused {
            return Ok(());
        }
        let Some(index) = self.streams.iter().position(|output| output.source == source && output.open)
        else {
            return Ok(());
        };
        if self.read(index, clients, epoll) == Read::End {
            let _ = epoll::delete(epoll, self.streams[index].fd);
            self.streams[index].open = false;
        }
        if clients.are_full() {
            self.paused = true;
            self.interest(epoll, EventFlags::empty());
        }
        Ok(())
    }

    /// Reads on once all clients have taken theirs.
    pub(crate) fn resume(&mut self, clients: &Clients, epoll: &OwnedFd) -> sys::Result<()> {
        if self.paused && !clients.are_full() {
            self.paused = false;
            self.interest(epoll, EventFlags::IN);
        }
        Ok(())
    }

    fn interest(&self, epoll: &OwnedFd, flags: EventFlags) {
        for output in self.streams.iter().filter(|output| output.open) {
            let _ = epoll::modify(epoll, output.fd, output.source.data(), flags);
        }
    }

    /// Moves all that is left once the container has ended: no more than its pipes hold.
    pub(crate) fn drain(&mut self, clients: &mut Clients, epoll: &OwnedFd) {
        for index in 0..self.streams.len() {
            while self.streams[index].open && self.read(index, clients, epoll) == Read::Some {}
        }
        if let Some(log) = &mut self.log {
            log.finish();
        }
    }

    fn read(&mut self, index: usize, clients: &mut Clients, epoll: &OwnedFd) -> Read {
        let output = &self.streams[index];
        self.buffer.resize(CHUNK, 0);
        loop {
            match rustix::io::read(output.fd, &mut self.buffer[..]) {
                Ok(0) => return Read::End,
                Ok(count) => {
                    let bytes = &self.buffer[..count];
                    if let Some(log) = &mut self.log {
                        log.write(output.stream, bytes);
                    }
                    clients.output(output.stream, bytes, epoll);
                    return Read::Some;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Read::Nothing,
                // EIO: the terminal was hung up.
                Err(_) => return Read::End,
            }
        }
    }
}

#[derive(PartialEq, Eq)]
enum Read {
    Some,
    Nothing,
    End,
}
