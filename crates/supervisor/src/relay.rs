//! Connects a caller's descriptors to a container: `run`, `start --attach`.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::client::{Client, Event};
use crate::protocol::{FailureReport, Stream};

/// The caller's side.
#[derive(Debug)]
pub struct Relay<'a> {
    pub stdin: Option<BorrowedFd<'a>>,
    pub stdout: BorrowedFd<'a>,
    pub stderr: BorrowedFd<'a>,
    /// Keys that end the connection and leave the container running.
    pub detach_keys: &'a [u8],
    /// Becomes readable when the caller received signals; `on_signal` then answers which.
    pub signals: Option<BorrowedFd<'a>>,
}

/// How a relay ended.
#[derive(Debug, PartialEq, Eq)]
pub enum RelayEnd {
    Ended(u8),
    Failed(FailureReport),
    Detached,
    /// The supervisor was killed; the container may go on.
    Lost,
}

/// Relays until the container ends or the caller detaches. `on_signal` is called when the
/// signal descriptor is readable.
pub fn relay(
    client: &mut Client,
    relay: &Relay<'_>,
    mut on_signal: impl FnMut(&Client),
    mut on_warning: impl FnMut(&str),
) -> io::Result<RelayEnd> {
    let mut typed = Typed { stdin: relay.stdin, waiting: None };
    let mut keys = DetachKeys { keys: relay.detach_keys, matched: 0 };
    loop {
        let ready = wait(client, &typed, relay.signals)?;
        if ready.signals {
            on_signal(client);
        }
        if ready.room {
            typed.pass_on(client);
        }
        if ready.stdin && typed.read(client, &mut keys) {
            return Ok(RelayEnd::Detached);
        }
        if ready.client {
            match client.receive() {
                Event::Started { .. } => {}
                Event::Warning(text) => on_warning(text),
                Event::Output(Stream::Stdout, bytes) => write_all(relay.stdout, bytes)?,
                Event::Output(Stream::Stderr, bytes) => write_all(relay.stderr, bytes)?,
                Event::Ended { code } => return Ok(RelayEnd::Ended(code)),
                Event::Failed(report) => return Ok(RelayEnd::Failed(report)),
                Event::Lost => return Ok(RelayEnd::Lost),
            }
        }
    }
}

/// The caller's input on its way to the container.
struct Typed<'a> {
    stdin: Option<BorrowedFd<'a>>,
    /// What the container must have room for before more is read.
    waiting: Option<Waiting>,
}

enum Waiting {
    Bytes(Vec<u8>),
    End,
}

impl Typed<'_> {
    /// Reads what was typed; true when it asked to detach.
    fn read(&mut self, client: &Client, keys: &mut DetachKeys<'_>) -> bool {
        let Some(fd) = self.stdin else { return false };
        let mut buffer = [0u8; 16 * 1024];
        let (waiting, detach) = match rustix::io::read(fd, &mut buffer) {
            Err(Errno::INTR | Errno::AGAIN) => return false,
            Ok(count) if count > 0 => {
                let (bytes, detach) = keys.filter(&buffer[..count]);
                (Waiting::Bytes(bytes), detach)
            }
            _ => (Waiting::End, false),
        };
        self.waiting = Some(waiting);
        self.pass_on(client);
        detach
    }

    /// Sends what waits, where there is room for it.
    fn pass_on(&mut self, client: &Client) {
        let sent = match &self.waiting {
            Some(Waiting::Bytes(bytes)) if bytes.is_empty() => Ok(true),
            Some(Waiting::Bytes(bytes)) => client.try_send_stdin(bytes),
            Some(Waiting::End) => client.try_end_stdin(),
            None => return,
        };
        match sent {
            Ok(false) => {}
            Ok(true) => {
                if matches!(self.waiting.take(), Some(Waiting::End)) {
                    self.stdin = None;
                }
            }
            Err(_) => (self.stdin, self.waiting) = (None, None),
        }
    }
}

/// What is to be done.
struct Ready {
    client: bool,
    /// The container takes input again.
    room: bool,
    stdin: bool,
    signals: bool,
}

/// Waits for something to do; input is read only when none waits for the container.
fn wait(client: &Client, typed: &Typed<'_>, signals: Option<BorrowedFd<'_>>) -> io::Result<Ready> {
    let mut interest = PollFlags::IN;
    interest.set(PollFlags::OUT, typed.waiting.is_some());
    let stdin = typed.stdin.filter(|_| typed.waiting.is_none());
    let mut fds = vec![PollFd::new(client, interest)];
    fds.extend(signals.iter().map(|fd| PollFd::new(fd, PollFlags::IN)));
    fds.extend(stdin.iter().map(|fd| PollFd::new(fd, PollFlags::IN)));
    match poll(&mut fds, None) {
        Ok(_) => {}
        Err(Errno::INTR) => {
            return Ok(Ready { client: false, room: false, stdin: false, signals: signals.is_some() });
        }
        Err(error) => return Err(error.into()),
    }
    let ready = |index: usize| fds.get(index).is_some_and(|fd| !fd.revents().is_empty());
    let room = fds[0].revents().contains(PollFlags::OUT);
    let client = fds[0].revents().intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR);
    let after = 1 + usize::from(signals.is_some());
    Ok(Ready { client, room, stdin: stdin.is_some() && ready(after), signals: signals.is_some() && ready(1) })
}

fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::OUT)];
                let _ = poll(&mut fds, None);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Looks for the detach sequence in what is typed; keys that turn out not to be it are passed on.
struct DetachKeys<'a> {
    keys: &'a [u8],
    matched: usize,
}

impl DetachKeys<'_> {
    /// Returns the bytes to pass on and whether the sequence is complete.
    fn filter(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        if self.keys.is_empty() {
            return (bytes.to_vec(), false);
        }
        let mut passed = Vec::with_capacity(bytes.len());
        for byte in bytes {
            if *byte == self.keys[self.matched] {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    return (passed, true);
                }
                continue;
            }
            passed.extend_from_slice(&self.keys[..self.matched]);
            self.matched = usize::from(*byte == self.keys[0]);
            if self.matched == 0 {
                passed.push(*byte);
            }
        }
        (passed, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detach_keys_are_found_across_reads() {
        let mut keys = DetachKeys { keys: &[16, 17], matched: 0 };
        assert_eq!(keys.filter(b"ab\x10"), (b"ab".to_vec(), false));
        assert_eq!(keys.filter(b"\x11"), (vec![], true));
    }

    #[test]
    fn half_a_sequence_is_passed_on() {
        let mut keys = DetachKeys { keys: &[16, 17], matched: 0 };
        assert_eq!(keys.filter(b"\x10x"), (b"\x10x".to_vec(), false));
        assert_eq!(keys.filter(b"\x10\x10\x11"), (b"\x10".to_vec(), true));
    }
}
