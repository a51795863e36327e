//! Servers that answer with the address they see their peer at, and clients that ask them, in any namespace.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::ipproto::TCP;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};

use crate::Namespace;

/// Longer than an answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// After this long without an answer a packet was thrown away: less than the kernel's first second, after which it
/// would send again.
const SILENCE: Duration = Duration::from_millis(600);

/// A server for TCP and UDP at one port of one address. It speaks enough HTTP for curl.
#[derive(Debug)]
pub struct Echo {
    /// Closed to end the server.
    end: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
    address: SocketAddr,
}

impl Echo {
    /// Starts a server on all addresses of the namespace and both families.
    #[track_caller]
    pub fn everywhere(namespace: &Namespace, port: u16) -> Self {
        Self::start(namespace, SocketAddr::new("::".parse().unwrap(), port))
    }

    /// Starts a server; port 0 is a free one.
    #[track_caller]
    pub fn start(namespace: &Namespace, address: SocketAddr) -> Self {
        let (tcp, udp) = namespace.enter(|| {
            let tcp = listener(address);
            let udp = UdpSocket::bind(tcp.local_addr().unwrap()).unwrap();
            (tcp, udp)
        });
        let address = tcp.local_addr().unwrap();
        let (end, ended) = UnixStream::pair().unwrap();
        let thread = std::thread::spawn(move || serve(&tcp, &udp, &ended));
        Self { end: Some(end), thread: Some(thread), address }
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.end.take();
        // Its sockets would keep the namespace of a container that goes.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// std's listener sets SO_REUSEADDR but cannot be told whether IPv6 takes IPv4 along.
fn listener(address: SocketAddr) -> TcpListener {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, Some(TCP)).unwrap();
    sockopt::set_socket_reuseaddr(&socket, true).unwrap();
    bind(&socket, &address).unwrap_or_else(|error| panic!("cannot listen on {address}: {error}"));
    listen(&socket, 128).unwrap();
    socket.into()
}

fn serve(tcp: &TcpListener, udp: &UdpSocket, ended: &UnixStream) {
    loop {
        let mut waiting = [tcp.as_fd(), udp.as_fd(), ended.as_fd()]
            .map(|socket| PollFd::from_borrowed_fd(socket, PollFlags::IN));
        if poll(&mut waiting, None).is_err() {
            continue;
        }
        let [connection, datagram, end] = waiting.map(|fd| !fd.revents().is_empty());
        if end {
            return;
        }
        if connection && let Ok((stream, peer)) = tcp.accept() {
            // A peer that goes away is no fault of the server.
            let _ = answer(stream, peer);
        }
        let mut question = [0; 2048];
        if datagram && let Ok((_, peer)) = udp.recv_from(&mut question) {
            let _ = udp.send_to(plain(peer).to_string().as_bytes(), peer);
        }
    }
}

fn answer(mut stream: TcpStream, peer: SocketAddr) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    // Closing with something unread would take the answer back.
    let _ = stream.read(&mut [0; 4096])?;
    let text = plain(peer).to_string();
    write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}

/// An IPv4 peer of a socket for both families, as IPv4.
fn plain(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

/// How a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Udp,
}

impl Transport {
    pub const BOTH: [Self; 2] = [Self::Tcp, Self::Udp];
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Tcp { "tcp" } else { "udp" })
    }
}

/// Asserts that of these, asked at the same time, nobody answers: packets are thrown away or refused.
#[track_caller]
pub fn nobody_answers(questions: &[(&Namespace, Transport, SocketAddr)]) {
    let answers: Vec<String> = std::thread::scope(|threads| {
        let ask = |&(namespace, transport, server): &(&Namespace, Transport, SocketAddr)| {
            let answer = namespace.try_ask(transport, server, SILENCE).ok();
            answer.map(|peer| format!("{server}/{transport}, which saw us as {peer}"))
        };
        let asking: Vec<_> = questions.iter().map(|question| threads.spawn(move || ask(question))).collect();
        asking.into_iter().filter_map(|thread| thread.join().expect("it does not panic")).collect()
    });
    assert!(answers.is_empty(), "nobody should have answered, but there was:\n{}", answers.join("\n"));
}

impl Namespace {
    /// Asks an [`Echo`] and returns the address that it sees us at.
    #[track_caller]
    pub fn ask(&self, transport: Transport, server: SocketAddr) -> IpAddr {
        match self.try_ask(transport, server, PATIENCE) {
            Ok(peer) => peer.ip(),
            Err(error) => panic!("no answer from {server}/{transport}: {error}"),
        }
    }

    /// Asserts that nobody answers, as [`nobody_answers`] does.
    #[track_caller]
    pub fn cannot_ask(&self, transport: Transport, server: SocketAddr) {
        nobody_answers(&[(self, transport, server)]);
    }

    /// Whether an [`Echo`] answers by TCP at this moment.
    pub fn can_ask(&self, server: SocketAddr) -> bool {
        self.try_ask(Transport::Tcp, server, SILENCE).is_ok()
    }

    /// Whether somebody answers by TCP, be it to refuse.
    pub fn is_answered(&self, server: SocketAddr) -> bool {
        self.enter(|| match TcpStream::connect_timeout(&server, SILENCE) {
            Ok(_) => true,
            Err(error) => error.kind() == ErrorKind::ConnectionRefused,
        })
    }

    fn try_ask(
        &self,
        transport: Transport,
        server: SocketAddr,
        patience: Duration,
    ) -> std::io::Result<SocketAddr> {
        let text = self.enter(|| match transport {
            Transport::Tcp => ask_tcp(server, patience),
            Transport::Udp => ask_udp(server, patience),
        })?;
        let peer = text.rsplit("\r\n").next().and_then(|peer| peer.parse().ok());
        peer.ok_or_else(|| std::io::Error::other(format!("not an answer: `{text}`")))
    }
}

fn ask_tcp(server: SocketAddr, patience: Duration) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&server, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// Asks again when nothing comes: a datagram may be lost. A connected socket takes answers from nobody else.
fn ask_udp(server: SocketAddr, patience: Duration) -> std::io::Result<String> {
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any)?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(SILENCE / 3))?;
    let end = Instant::now() + patience;
    let mut buffer = [0; 256];
    loop {
        // Refusals of earlier questions arrive at the next call.
        let answered = socket.send(b"?").and_then(|_| socket.recv(&mut buffer));
        match answered {
            Ok(length) => return Ok(String::from_utf8_lossy(&buffer[..length]).into_owned()),
            Err(error) if Instant::now() > end => return Err(error),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                std::thread::sleep(SILENCE / 6);
            }
            Err(_) => {}
        }
    }
}
