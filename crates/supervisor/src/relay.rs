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
/// signal descriptor is readable, with the container's pid once it is known.
pub fn relay(
    client: &mut Client,
    relay: &Relay<'_>,
    mut on_signal: impl FnMut(&Client, Option<i32>),
    mut on_warning: impl FnMut(&str),
) -> io::Result<RelayEnd> {
    let mut stdin = relay.stdin;
    let mut pid = None;
    let mut keys = DetachKeys { keys: relay.detach_keys, matched: 0 };
    loop {
        let (from_client, from_stdin, from_signals) = wait(client, stdin, relay.signals)?;
        if from_signals {
            on_signal(client, pid);
        }
        if from_stdin && let Some(fd) = stdin {
            let mut buffer = [0u8; 16 * 1024];
            match rustix::io::read(fd, &mut buffer) {
                Ok(0) => {
                    let _ = client.end_stdin();
                    stdin = None;
                }
                Ok(count) => {
                    let (bytes, detach) = keys.filter(&buffer[..count]);
                    if client.send_stdin(&bytes).is_err() {
                        stdin = None;
                    }
                    if detach {
                        return Ok(RelayEnd::Detached);
                    }
                }
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(_) => {
                    let _ = client.end_stdin();
                    stdin = None;
                }
            }
        }
        if from_client {
            match client.receive() {
                Event::Started { pid: started } => pid = Some(started),
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

/// Waits for any of the three to be readable.
fn wait(
    client: &Client,
    stdin: Option<BorrowedFd<'_>>,
    signals: Option<BorrowedFd<'_>>,
) -> io::Result<(bool, bool, bool)> {
    let mut fds = vec![PollFd::new(client, PollFlags::IN)];
    fds.extend(signals.iter().map(|fd| PollFd::new(fd, PollFlags::IN)));
    fds.extend(stdin.iter().map(|fd| PollFd::new(fd, PollFlags::IN)));
    match poll(&mut fds, None) {
        Ok(_) => {}
        Err(Errno::INTR) => return Ok((false, false, signals.is_some())),
        Err(error) => return Err(error.into()),
    }
    let ready = |index: usize| fds.get(index).is_some_and(|fd| !fd.revents().is_empty());
    let after = 1 + usize::from(signals.is_some());
    Ok((ready(0), stdin.is_some() && ready(after), signals.is_some() && ready(1)))
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
