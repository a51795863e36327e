//! `--mount=type=ssh`: a socket in the step that leads to an agent of the caller's, for its keys to be listed and used.
//!
//! A step could do more with an agent than sign: add keys, remove them, lock it. So messages are read, and anything but
//! the two questions that a client needs is answered with a refusal here (draft-ietf-sshm-ssh-agent, sections 3 and 5).

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, poll};
use sys::Dir;

use super::stop::pipe;
use crate::error::{Error, Result};

/// As long a message as OpenSSH's agent takes.
const MESSAGE_BYTES_MAX: usize = 256 << 10;
/// As many clients as a step has at a time: each is a thread of the builder.
const CLIENTS_MAX: usize = 64;
const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const SIGN_REQUEST: u8 = 13;

/// A socket that is served until this goes.
#[derive(Debug)]
pub(super) struct Agent {
    socket: PathBuf,
    /// Closed to end the thread.
    end: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Agent {
    /// Serves the agent at `theirs` in a directory, to one user.
    pub(super) fn serve(theirs: &Path, directory: &Path, (mode, uid, gid): (u32, u32, u32)) -> Result<Self> {
        let socket = directory.join("agent");
        let failed = |error: io::Error| {
            let class = oci::class::Class::of_os_error(&error);
            Error::new(class, format!("cannot serve an agent at `{}`", socket.display())).caused_by(error)
        };
        // The path of a state directory may be longer than a socket's may be.
        let dir = Dir::open(directory)?;
        let short =
            PathBuf::from(format!("/proc/self/fd/{}/agent", rustix::fd::AsRawFd::as_raw_fd(&dir.as_fd())));
        let listener = UnixListener::bind(short).map_err(failed)?;
        dir.chown("agent", uid, gid)?;
        dir.chmod("agent", mode)?;
        // Whether it is there is told now, and not by a step that fails.
        UnixStream::connect(theirs).map_err(|error| {
            let class = oci::class::Class::of_os_error(&error);
            let text = format!("cannot reach an agent of ssh at `{}`", theirs.display());
            Error::new(class, text)
                .caused_by(error)
                .hint("start one: eval $(ssh-agent) && ssh-add FILE; a key's own file is none")
        })?;
        let (reader, end) = pipe()?;
        let theirs = theirs.to_owned();
        let thread = std::thread::spawn(move || accept(&listener, &reader, &theirs));
        Ok(Self { socket, end: Some(end), thread: Some(thread) })
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn accept(listener: &UnixListener, end: &OwnedFd, theirs: &Path) {
    let clients = Arc::new(());
    loop {
        let mut fds = [
            PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(end.as_fd(), PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
            Ok(_) if !fds[1].revents().is_empty() => return,
            Ok(_) => {}
        }
        let Ok((client, _)) = listener.accept() else { continue };
        // One more is turned away: its connection is closed.
        if Arc::strong_count(&clients) > CLIENTS_MAX {
            continue;
        }
        let Ok(agent) = UnixStream::connect(theirs) else { continue };
        let counted = Arc::clone(&clients);
        // It ends with the step, whose processes hold the other end.
        std::thread::spawn(move || {
            let _ = pass_on(client, agent);
            drop(counted);
        });
    }
}

/// Answers a client until it goes.
fn pass_on(mut client: impl Read + Write, mut agent: impl Read + Write) -> io::Result<()> {
    while let Some(request) = message(&mut client)? {
        match request.first() {
            Some(&REQUEST_IDENTITIES | &SIGN_REQUEST) => {
                send(&mut agent, &request)?;
                let Some(answer) = message(&mut agent)? else { return Ok(()) };
                send(&mut client, &answer)?;
            }
            _ => send(&mut client, &[FAILURE])?,
        }
    }
    Ok(())
}

/// Reads one message; nothing at the end.
fn message(source: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match source.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > MESSAGE_BYTES_MAX {
        return Err(io::Error::other("a message is too long"));
    }
    let mut bytes = vec![0; length];
    source.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

fn send(target: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let length = u32::try_from(message.len()).map_err(io::Error::other)?;
    target.write_all(&[&length.to_be_bytes(), message].concat())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::{FAILURE, MESSAGE_BYTES_MAX, REQUEST_IDENTITIES, SIGN_REQUEST, message, pass_on, send};

    #[test]
    fn only_questions_reach_the_agent() {
        let (mut client, ours) = UnixStream::pair().expect("it can be made");
        let (agents, mut agent) = UnixStream::pair().expect("it can be made");
        let passing = std::thread::spawn(move || pass_on(ours, agents));
        let answering = std::thread::spawn(move || {
            let mut heard = Vec::new();
            while let Ok(Some(request)) = message(&mut agent) {
                heard.push(request[0]);
                send(&mut agent, &[12, 0, 0, 0, 0]).expect("it listens");
            }
            heard
        });
        // Add a key, remove all, lock, an extension, nothing at all.
        for refused in [&[17, 1][..], &[19], &[22, 0], &[27], &[]] {
            send(&mut client, refused).expect("it listens");
            assert_eq!(message(&mut client).expect("it answers"), Some(vec![FAILURE]));
        }
        for asked in [REQUEST_IDENTITIES, SIGN_REQUEST] {
            send(&mut client, &[asked]).expect("it listens");
            assert_eq!(message(&mut client).expect("it answers"), Some(vec![12, 0, 0, 0, 0]));
        }
        drop(client);
        assert!(passing.join().expect("it ends").is_ok());
        assert_eq!(answering.join().expect("it ends"), [REQUEST_IDENTITIES, SIGN_REQUEST]);
    }

    #[test]
    fn of_too_many_clients_the_last_are_turned_away() {
        use std::io::Read;
        let directory = tempfile::tempdir().expect("it can be made");
        let agent =
            std::os::unix::net::UnixListener::bind(directory.path().join("theirs")).expect("it can be bound");
        let ours = directory.path().join("ours");
        sys::fs::create_dir_all(&ours).expect("it can be made");
        let served =
            super::Agent::serve(&directory.path().join("theirs"), &ours, (0o600, 0, 0)).expect("it serves");
        let answering = std::thread::spawn(move || {
            // The first looks whether it is there.
            let mut held: Vec<_> =
                (0..=super::CLIENTS_MAX).map(|_| agent.accept().expect("one comes").0).collect();
            for client in held.iter_mut().skip(1) {
                if message(client).is_ok_and(|asked| asked.is_some()) {
                    send(client, &[12, 0, 0, 0, 0]).expect("it listens");
                }
            }
            held
        });
        let mut clients: Vec<_> = (0..super::CLIENTS_MAX)
            .map(|_| UnixStream::connect(served.socket()).expect("it listens"))
            .collect();
        for client in &mut clients {
            send(client, &[REQUEST_IDENTITIES]).expect("it listens");
        }
        let held = answering.join().expect("it ends");
        for client in &mut clients {
            assert!(message(client).expect("it answers").is_some());
        }
        let mut late = UnixStream::connect(served.socket()).expect("it listens");
        assert_eq!(late.read(&mut [0]).expect("it is closed"), 0);
        drop((clients, held, served));
    }

    #[test]
    fn a_message_has_a_bound() {
        let length = u32::try_from(MESSAGE_BYTES_MAX + 1).expect("it fits").to_be_bytes();
        assert!(message(&mut &length[..]).is_err());
        assert_eq!(message(&mut &[][..]).expect("the end"), None);
        assert!(message(&mut &[0, 0, 0, 9, 1][..]).is_err());
    }
}
