//! The engine's end of the connection to a supervisor.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv, send,
    socket_with,
};
use sys::Context;

use crate::job::Attachment;
use crate::protocol::{CHUNK, FailureReport, Phase, Reply, Request, Stream};

/// A connection to the supervisor of one container.
#[derive(Debug)]
pub struct Client {
    socket: OwnedFd,
    /// The guardian, while it is our child.
    guardian: Option<i32>,
    buffer: Vec<u8>,
    marks: Vec<(Phase, i64)>,
}

/// What a supervisor tells.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    Started {
        pid: i32,
    },
    Output(Stream, &'a [u8]),
    Ended {
        code: u8,
    },
    Failed(FailureReport),
    Warning(&'a str),
    /// The connection ended without a last word: the supervisor was killed.
    Lost,
}

impl Client {
    pub(crate) fn launched(socket: OwnedFd, guardian: i32) -> Self {
        Self { socket, guardian: Some(guardian), buffer: Vec::new(), marks: Vec::new() }
    }

    /// Connects to the supervisor of a running container.
    pub fn connect(run_dir: &Path) -> sys::Result<Self> {
        let path = run_dir.join("sock");
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .context(|| "cannot make a socket".into())?;
        let address = address(&path)?;
        connect(&socket, &address.address).on_path("connect to", &path)?;
        Ok(Self { socket, guardian: None, buffer: Vec::new(), marks: Vec::new() })
    }

    /// Asks for streams from now on.
    pub fn attach(&self, streams: Attachment) -> sys::Result<()> {
        self.send(&Request::Attach(streams))
    }

    /// Passes input on, at most a chunk of it; false when the container must read first. Waiting here
    /// instead would stop the output, which may be what the container waits for.
    pub fn try_send_stdin(&self, bytes: &[u8]) -> sys::Result<bool> {
        self.try_send(&Request::Stdin(bytes))
    }

    /// Tells that there is no more input; false when the container must read first.
    pub fn try_end_stdin(&self) -> sys::Result<bool> {
        self.try_send(&Request::StdinEnd)
    }

    /// Tells the size of the client's terminal; false when the container must read first.
    pub fn resize(&self, rows: u16, columns: u16) -> sys::Result<bool> {
        self.try_send(&Request::Resize { rows, columns })
    }

    /// Asks the supervisor to answer for names, and returns the port of 127.0.0.11 where it does.
    pub fn answer_names(&mut self) -> sys::Result<u16> {
        self.send(&Request::Names)?;
        let failed = |text: String| {
            let what = "cannot have names answered in the container";
            Err(sys::Error::new(what, std::io::Error::other(text)))
        };
        self.buffer.resize(CHUNK + 1, 0);
        loop {
            let received = recv(&self.socket, &mut self.buffer[..], RecvFlags::empty());
            let count = match received {
                Err(Errno::INTR) => continue,
                Err(_) | Ok((0, _)) => return failed("its supervisor has ended".to_owned()),
                Ok((count, _)) => count,
            };
            match Reply::decode(&self.buffer[..count]) {
                Some(Reply::Names { port }) => return Ok(port),
                Some(Reply::Failed(report)) => return failed(report.text),
                // What everybody is told, or a newer version tells.
                Some(_) | None => {}
            }
        }
    }

    /// Asks not to start a container again that waits for that.
    pub fn give_up(&self) -> sys::Result<()> {
        self.send(&Request::GiveUp)
    }

    fn try_send(&self, request: &Request<'_>) -> sys::Result<bool> {
        let record = request.encode();
        loop {
            match send(&self.socket, &record, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(false),
                Ok(_) => return Ok(true),
                Err(error) => return Err(error).context(|| "cannot reach the container's supervisor".into()),
            }
        }
    }

    fn send(&self, request: &Request<'_>) -> sys::Result<()> {
        let record = request.encode();
        loop {
            match send(&self.socket, &record, SendFlags::NOSIGNAL) {
                Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error).context(|| "cannot reach the container's supervisor".into()),
            }
        }
    }

    /// Waits for the next event.
    pub fn receive(&mut self) -> Event<'_> {
        self.buffer.resize(CHUNK + 1, 0);
        loop {
            match recv(&self.socket, &mut self.buffer[..], RecvFlags::empty()) {
                // A supervisor that ends with input of ours unread resets the connection; the kernel says so
                // once, before it gives what was sent to us (unix(7)): the last word may still be there.
                Err(Errno::INTR | Errno::CONNRESET) => {}
                Err(_) | Ok((0, _)) => return Event::Lost,
                Ok((count, _)) => {
                    match Reply::decode(&self.buffer[..count]) {
                        Some(Reply::Mark(phase, at)) => {
                            self.marks.push((phase, at));
                            continue;
                        }
                        // Of a newer version.
                        None => continue,
                        Some(_) => {}
                    }
                    return match Reply::decode(&self.buffer[..count]) {
                        Some(Reply::Started { pid }) => Event::Started { pid },
                        Some(Reply::Output(stream, bytes)) => Event::Output(stream, bytes),
                        Some(Reply::Ended { code }) => Event::Ended { code },
                        Some(Reply::Failed(report)) => Event::Failed(report),
                        Some(Reply::Warning(text)) => Event::Warning(text),
                        None | Some(Reply::Mark(..) | Reply::Names { .. }) => Event::Lost,
                    };
                }
            }
        }
    }

    /// The phases that have ended, with the time on the clock of [`monotonic`](crate::status::monotonic).
    pub fn marks(&self) -> &[(Phase, i64)] {
        &self.marks
    }

    /// The guardian's pid, if this client launched it.
    pub fn guardian(&self) -> Option<i32> {
        self.guardian
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A socket address, with the directory it may be named through.
pub(crate) struct Address {
    pub(crate) address: SocketAddrUnix,
    _directory: Option<OwnedFd>,
}

/// Names a socket; through a descriptor of its directory where the path exceeds what fits into
/// a `sockaddr_un` (unix(7): 108 bytes).
pub(crate) fn address(path: &Path) -> sys::Result<Address> {
    if path.as_os_str().len() < 108 {
        let address = SocketAddrUnix::new(path).on_path("name the socket", path)?;
        return Ok(Address { address, _directory: None });
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(sys::Error::new(
            format!("`{}` is no socket path", path.display()),
            std::io::ErrorKind::InvalidInput,
        ));
    };
    let directory =
        rustix::fs::open(parent, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .on_path("open", parent)?;
    let short = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
    let address = SocketAddrUnix::new(&short).on_path("name the socket", path)?;
    Ok(Address { address, _directory: Some(directory) })
}
