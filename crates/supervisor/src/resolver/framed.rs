//! Messages over TCP, each behind its length (RFC 1035, 4.2.2), on a socket that never blocks.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

/// Bytes read at a time.
const CHUNK: usize = 4096;

/// One connection.
#[derive(Debug)]
pub(super) struct Framed {
    pub(super) socket: OwnedFd,
    input: Vec<u8>,
    output: Vec<u8>,
    sent: usize,
}

impl Framed {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self { socket, input: Vec::new(), output: Vec::new(), sent: 0 }
    }

    /// Takes the next whole message that has come; `None` when there is more to wait for. A message longer than
    /// `length_max`, and the end of the connection, are errors.
    pub(super) fn next(&mut self, length_max: usize) -> Result<Option<Vec<u8>>, Errno> {
        loop {
            if let Some((length, rest)) = self.input.split_first_chunk::<2>() {
                let length = usize::from(u16::from_be_bytes(*length));
                if length > length_max {
                    return Err(Errno::MSGSIZE);
                }
                if rest.len() >= length {
                    let message = rest[..length].to_vec();
                    self.input.drain(..2 + length);
                    self.input.shrink_to_fit();
                    return Ok(Some(message));
                }
            }
            self.input.reserve(CHUNK);
            match recv(&self.socket, rustix::buffer::spare_capacity(&mut self.input), RecvFlags::DONTWAIT) {
                Ok((0, _)) => return Err(Errno::CONNRESET),
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Whether something was read that was not taken yet.
    pub(super) fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// Queues a message.
    pub(super) fn push(&mut self, message: &[u8]) {
        self.output.extend_from_slice(&(message.len() as u16).to_be_bytes());
        self.output.extend_from_slice(message);
    }

    /// Sends what the socket takes; returns whether that was all.
    pub(super) fn flush(&mut self) -> Result<bool, Errno> {
        while self.sent < self.output.len() {
            match send(&self.socket, &self.output[self.sent..], SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(count) => self.sent += count,
                Err(Errno::INTR) => {}
                // Still connecting, or full.
                Err(Errno::AGAIN) => return Ok(false),
                Err(errno) => return Err(errno),
            }
        }
        self.output = Vec::new();
        self.sent = 0;
        Ok(true)
    }
}
