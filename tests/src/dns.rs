//! Names: a server that stands for the host's resolver and remembers what it was asked, and a client. As much of
//! RFC 1035 as that takes.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use crate::{Namespace, at};

/// Types of records.
pub const A: u16 = 1;
pub const PTR: u16 = 12;
pub const AAAA: u16 = 28;

/// Codes of answers.
pub const NO_ERROR: u8 = 0;
pub const SERVER_FAILURE: u8 = 2;
pub const NO_SUCH_NAME: u8 = 3;
pub const REFUSED: u8 = 5;

/// A server of names.
#[derive(Debug)]
pub struct Upstream {
    asked: Arc<Mutex<Vec<String>>>,
    end: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub code: u8,
    /// Addresses or names, sorted.
    pub records: Vec<String>,
    pub truncated: bool,
}

impl Upstream {
    /// Starts a server at port 53 of these addresses that knows these names and no others.
    #[track_caller]
    pub fn start(namespace: &Namespace, addresses: &[&str], zone: &[(&str, &str)]) -> Self {
        let zone: Vec<(String, IpAddr)> =
            zone.iter().map(|(name, address)| ((*name).to_owned(), address.parse().unwrap())).collect();
        Self::serve(namespace, addresses, Some(zone))
    }

    /// Starts a server that takes questions and never answers.
    #[track_caller]
    pub fn dead(namespace: &Namespace, addresses: &[&str]) -> Self {
        Self::serve(namespace, addresses, None)
    }

    fn serve(namespace: &Namespace, addresses: &[&str], zone: Option<Vec<(String, IpAddr)>>) -> Self {
        let (udp, tcp): (Vec<_>, Vec<_>) = namespace.enter(|| {
            let open = |address: &&str| {
                let address = at(address, 53);
                (UdpSocket::bind(address).unwrap(), TcpListener::bind(address).unwrap())
            };
            addresses.iter().map(open).unzip()
        });
        let (end, ended) = UnixStream::pair().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        let thread = std::thread::spawn(move || serve(&udp, &tcp, &ended, zone.as_deref(), &heard));
        Self { asked, end: Some(end), thread: Some(thread) }
    }

    /// Returns every name that was asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.end.take();
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn serve(
    udp: &[UdpSocket],
    tcp: &[TcpListener],
    ended: &UnixStream,
    zone: Option<&[(String, IpAddr)]>,
    heard: &Mutex<Vec<String>>,
) {
    let reply = |question: &[u8]| {
        let (name, kind) = question_of(question)?;
        heard.lock().unwrap().push(name.clone());
        Some(reply_to(question, &name, kind, zone?))
    };
    loop {
        let sockets = udp.iter().map(AsFd::as_fd).chain(tcp.iter().map(AsFd::as_fd)).chain([ended.as_fd()]);
        let mut waiting: Vec<_> =
            sockets.map(|socket| PollFd::from_borrowed_fd(socket, PollFlags::IN)).collect();
        if poll(&mut waiting, None).is_err() {
            continue;
        }
        let ready: Vec<bool> = waiting.iter().map(|fd| !fd.revents().is_empty()).collect();
        if ready[udp.len() + tcp.len()] {
            return;
        }
        let mut question = [0; 4096];
        for socket in udp.iter().zip(&ready).filter_map(|(socket, ready)| ready.then_some(socket)) {
            if let Ok((length, peer)) = socket.recv_from(&mut question)
                && let Some(answer) = reply(&question[..length])
            {
                let _ = socket.send_to(&cut(answer), peer);
            }
        }
        for listener in tcp.iter().zip(&ready[udp.len()..]).filter_map(|(tcp, ready)| ready.then_some(tcp)) {
            if let Ok((mut stream, _)) = listener.accept()
                && let Ok(question) = read_framed(&mut stream)
                && let Some(answer) = reply(&question)
            {
                let _ = stream.write_all(&framed(&answer));
            }
        }
    }
}

impl Namespace {
    /// Asks the resolver that a container has at 127.0.0.11.
    #[track_caller]
    pub fn lookup(&self, name: &str, kind: u16) -> Answer {
        self.lookup_at(at("127.0.0.11", 53), name, kind)
    }

    /// Asks a server by UDP.
    #[track_caller]
    pub fn lookup_at(&self, server: SocketAddr, name: &str, kind: u16) -> Answer {
        let answer = self.enter(|| {
            let socket = UdpSocket::bind(if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
            socket.connect(server)?;
            // Longer than a resolver waits for one that is dead.
            socket.set_read_timeout(Some(Duration::from_secs(20)))?;
            socket.send(&question(name, kind))?;
            let mut buffer = [0; 4096];
            let length = socket.recv(&mut buffer)?;
            std::io::Result::Ok(buffer[..length].to_vec())
        });
        parse(&answer.unwrap_or_else(|error| panic!("{server} does not answer for `{name}`: {error}")))
    }

    /// Asks the resolver that a container has at 127.0.0.11 by TCP.
    #[track_caller]
    pub fn lookup_by_tcp(&self, name: &str, kind: u16) -> Answer {
        let answer = self.enter(|| {
            let mut stream = TcpStream::connect_timeout(&at("127.0.0.11", 53), Duration::from_secs(20))?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            stream.write_all(&framed(&question(name, kind)))?;
            read_framed(&mut stream)
        });
        parse(&answer.unwrap_or_else(|error| panic!("no answer for `{name}` by TCP: {error}")))
    }
}

/// Returns the name under which an address is asked for its names.
#[track_caller]
pub fn reverse(address: &str) -> String {
    match address.parse().unwrap() {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let digits = address.octets().into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
            let digits: Vec<String> = digits.map(|digit| format!("{digit:x}")).collect();
            format!("{}.ip6.arpa", digits.into_iter().rev().collect::<Vec<_>>().join("."))
        }
    }
}

fn question(name: &str, kind: u16) -> Vec<u8> {
    // An id, "recursion desired", one question.
    let mut message = vec![0x4d, 0x21, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.trim_end_matches('.').split('.') {
        message.push(label.len() as u8);
        message.extend(label.bytes());
    }
    message.push(0);
    message.extend(kind.to_be_bytes());
    message.extend([0, 1]);
    message
}

fn question_of(message: &[u8]) -> Option<(String, u16)> {
    let (name, end) = read_name(message, 12)?;
    Some((name.to_lowercase(), be16(message, end)?))
}

fn reply_to(question: &[u8], name: &str, kind: u16, zone: &[(String, IpAddr)]) -> Vec<u8> {
    let known: Vec<IpAddr> =
        zone.iter().filter(|(owner, _)| owner == name).map(|(_, address)| *address).collect();
    let fitting: Vec<IpAddr> =
        known.iter().copied().filter(|address| kind == if address.is_ipv4() { A } else { AAAA }).collect();
    // Header and question alone; whatever else a resolver adds is not repeated.
    let end = read_name(question, 12).map_or(question.len(), |(_, end)| end + 4);
    let mut message = question[..end].to_vec();
    message[2] = 0x81;
    message[3] = 0x80 | if known.is_empty() { NO_SUCH_NAME } else { NO_ERROR };
    message[4..12].copy_from_slice(&[0, 1, 0, fitting.len() as u8, 0, 0, 0, 0]);
    for address in fitting {
        let bytes = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        // The name is that of the question, kept for no time.
        message.extend([0xc0, 12]);
        message.extend(kind.to_be_bytes());
        message.extend([0, 1, 0, 0, 0, 0, 0, bytes.len() as u8]);
        message.extend(bytes);
    }
    message
}

/// Cuts an answer that fits no datagram of old (section 4.2.1) to the question, and says so.
fn cut(mut answer: Vec<u8>) -> Vec<u8> {
    if answer.len() > 512 {
        let end = read_name(&answer, 12).map_or(12, |(_, end)| end + 4);
        answer.truncate(end);
        answer[2] |= 2;
        answer[6..8].fill(0);
    }
    answer
}

#[track_caller]
fn parse(message: &[u8]) -> Answer {
    parse_message(message).unwrap_or_else(|| panic!("not an answer: {message:02x?}"))
}

fn parse_message(message: &[u8]) -> Option<Answer> {
    let (flags, code) = (*message.get(2)?, message.get(3)? & 15);
    let (questions, answers) = (be16(message, 4)?, be16(message, 6)?);
    let mut place = 12;
    for _ in 0..questions {
        place = read_name(message, place)?.1 + 4;
    }
    let mut records = Vec::new();
    for _ in 0..answers {
        place = read_name(message, place)?.1;
        let (kind, length) = (be16(message, place)?, usize::from(be16(message, place + 8)?));
        let data = place + 10;
        let bytes = message.get(data..data + length)?;
        match kind {
            A => records.push(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string()),
            AAAA => records.push(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string()),
            PTR => records.push(read_name(message, data)?.0),
            _ => {}
        }
        place = data + length;
    }
    records.sort();
    Some(Answer { code, records, truncated: flags & 2 != 0 })
}

/// Reads a name, following pointers; returns it and where the next field begins.
fn read_name(message: &[u8], start: usize) -> Option<(String, usize)> {
    let (mut labels, mut place, mut end) = (Vec::new(), start, None);
    for _ in 0..128 {
        let length = usize::from(*message.get(place)?);
        match length {
            0 => return Some((labels.join("."), end.unwrap_or(place + 1))),
            0xc0.. => {
                end.get_or_insert(place + 2);
                place = (length & 0x3f) << 8 | usize::from(*message.get(place + 1)?);
            }
            _ => {
                labels.push(String::from_utf8_lossy(message.get(place + 1..=place + length)?).into_owned());
                place += length + 1;
            }
        }
    }
    None
}

fn be16(message: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]))
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

fn read_framed(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message)?;
    Ok(message)
}
