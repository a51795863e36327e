//! The whole resolver between two throw-away network namespaces, with upstreams that do as they are told.
#![allow(clippy::disallowed_methods, reason = "tests may write files")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use rustix::event::{PollFd, PollFlags, poll};

use super::names::tests::Root;
use super::*;

/// What an upstream does with a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Nothing,
    /// Answers with the address 192.0.2.N.
    Answer(u8),
    /// Answers with a code and no records.
    Code(u8),
    /// Sends forged answers first: another id, another question, another port.
    AnswerAfterForgeries(u8),
    /// Cuts its answer, and gives it by TCP; `false` resets the connection instead.
    Cut(bool),
}

struct Upstream {
    address: SocketAddr,
    questions: Arc<AtomicUsize>,
    heard: mpsc::Receiver<()>,
}

impl Upstream {
    fn new(does: Does) -> Self {
        Self::at("127.0.0.1:0", does)
    }

    fn at(address: &str, does: Does) -> Self {
        let socket = UdpSocket::bind(address).unwrap();
        let address = socket.local_addr().unwrap();
        let listener = TcpListener::bind(address).unwrap();
        let questions = Arc::new(AtomicUsize::new(0));
        let (tell, heard) = mpsc::channel();
        let counter = Arc::clone(&questions);
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                counter.fetch_add(1, Ordering::SeqCst);
                let _ = tell.send(());
                for answer in datagrams(&buffer[..length], does) {
                    let _ = socket.send_to(&answer, from);
                }
                if let Does::AnswerAfterForgeries(_) = does {
                    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
                    let _ = stranger.send_to(&answer(&buffer[..length], 0, 66), from);
                    let _ = socket.send_to(&datagrams(&buffer[..length], Does::Answer(7))[0], from);
                }
            }
        });
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                if does == Does::Cut(true) {
                    let question = read_framed(&mut stream);
                    let mut whole = answer(&question, 0, 9);
                    whole.extend_from_slice(&[0; 3000]);
                    write_framed(&mut stream, &whole);
                }
            }
        });
        Self { address, questions, heard }
    }

    fn count(&self) -> usize {
        self.questions.load(Ordering::SeqCst)
    }
}

fn datagrams(question: &[u8], does: Does) -> Vec<Vec<u8>> {
    match does {
        Does::Nothing => vec![],
        Does::Answer(host) => vec![answer(question, 0, host)],
        Does::Code(code) => vec![answer(question, code, 0)],
        Does::AnswerAfterForgeries(_) => {
            let mut other_id = answer(question, 0, 66);
            other_id[1] ^= 1;
            let mut other_name = answer(question, 0, 66);
            other_name[13] ^= 1;
            vec![other_id, other_name]
        }
        Does::Cut(_) => {
            let mut cut = answer(question, 0, 0);
            cut[2] |= 2;
            vec![cut]
        }
    }
}

/// An answer with one address, or none.
fn answer(question: &[u8], code: u8, host: u8) -> Vec<u8> {
    let mut answer = question.to_vec();
    answer[2] |= 0x80;
    answer[3] = 0x80 | code;
    if host != 0 {
        answer[7] = 1;
        answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, host]);
    }
    answer
}

fn question(id: u8, name: &str, kind: u16) -> Vec<u8> {
    let mut message = vec![0xee, id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    message
}

/// Code and addresses of an answer to the question.
fn outcome(question: &[u8], answer: &[u8]) -> (u8, Vec<String>) {
    assert_eq!(answer[..2], question[..2], "the id is the client's");
    assert_eq!(answer[12..question.len()], question[12..], "the question is the client's");
    let mut at = question.len();
    let mut addresses = Vec::new();
    for _ in 0..answer[7] {
        let length = usize::from(answer[at + 11]);
        let data = &answer[at + 12..at + 12 + length];
        addresses.push(match length {
            4 => IpAddr::from(<[u8; 4]>::try_from(data).unwrap()).to_string(),
            16 => IpAddr::from(<[u8; 16]>::try_from(data).unwrap()).to_string(),
            _ => String::from_utf8_lossy(data).into_owned(),
        });
        at += 12 + length;
    }
    (answer[3] & 0xf, addresses)
}

fn read_framed(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).unwrap();
    message
}

fn write_framed(stream: &mut TcpStream, message: &[u8]) {
    let mut bytes = (message.len() as u16).to_be_bytes().to_vec();
    bytes.extend_from_slice(message);
    stream.write_all(&bytes).unwrap();
}

/// The namespaces of a container and of its host, in which this thread then is.
fn namespaces() -> (OwnedFd, Root) {
    let network = libc::CLONE_NEWNET as u64;
    let new = || {
        sys::process::unshare(network).unwrap();
        sys::loopback::bring_up().unwrap();
        OwnedFd::from(std::fs::File::open("/proc/thread-self/ns/net").unwrap())
    };
    let host = new();
    let container = new();
    sys::process::join_namespaces(host.as_fd(), network).unwrap();
    (container, Root::new())
}

/// A resolver that runs, seen from its container.
struct Running {
    inside: Sockets,
    port: u16,
    stop: Option<(OwnedFd, std::thread::JoinHandle<Resolver>)>,
    last_id: u8,
}

impl Running {
    fn start(container: &OwnedFd, root: &Root, asked: &[IpAddr], upstreams: &[SocketAddr]) -> Self {
        let config = ResolverConfig {
            container: "self".into(),
            run_root: root.path().to_owned(),
            upstreams: asked.to_vec(),
            host_file: root.path().join("resolv.conf"),
        };
        let sockets = open(container.as_fd(), None).unwrap();
        let port = sockets.port;
        let list =
            if asked.is_empty() { Upstreams::fixed(upstreams) } else { Upstreams::new(asked, "".into()) };
        let mut resolver = Resolver::with_upstreams(&config, sockets, list).unwrap();
        let (stopped, stop) = rustix::pipe::pipe().unwrap();
        let thread = std::thread::spawn(move || {
            loop {
                let mut fds = [PollFd::new(&resolver, PollFlags::IN), PollFd::new(&stopped, PollFlags::IN)];
                poll(&mut fds, None).unwrap();
                if !fds[1].revents().is_empty() {
                    return resolver;
                }
                resolver.ready().unwrap();
            }
        });
        // Another pair, to have a way in.
        Self { inside: open(container.as_fd(), None).unwrap(), port, stop: Some((stop, thread)), last_id: 0 }
    }

    fn enter<T>(&self, body: impl FnOnce() -> T) -> T {
        self.inside.inside.enter(body).unwrap()
    }

    fn client(&self) -> UdpSocket {
        let socket = self.enter(|| UdpSocket::bind("127.0.0.1:0").unwrap());
        socket.connect((ADDRESS, self.port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket
    }

    fn connect(&self) -> TcpStream {
        let stream = self.enter(|| TcpStream::connect((ADDRESS, self.port)).unwrap());
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    fn question(&mut self, name: &str, kind: u16) -> Vec<u8> {
        self.last_id += 1;
        question(self.last_id, name, kind)
    }

    fn exchange(&mut self, name: &str, kind: u16) -> (Vec<u8>, Vec<u8>) {
        let (client, question) = (self.client(), self.question(name, kind));
        client.send(&question).unwrap();
        let mut buffer = vec![0; 65536];
        let length = client.recv(&mut buffer).expect("an answer");
        buffer.truncate(length);
        (question, buffer)
    }

    fn ask(&mut self, name: &str, kind: u16) -> (u8, Vec<String>) {
        let (question, answer) = self.exchange(name, kind);
        outcome(&question, &answer)
    }

    fn address(&mut self, name: &str) -> (u8, String) {
        let (code, addresses) = self.ask(name, message::A);
        (code, addresses.join(" "))
    }

    fn stop(mut self) -> Resolver {
        let (stop, thread) = self.stop.take().unwrap();
        drop(stop);
        thread.join().unwrap()
    }
}

#[test]
fn names_of_the_container_are_answered_by_both_protocols() {
    let (container, root) = namespaces();
    let upstream = Upstream::new(Does::Answer(1));
    root.join("n1", "names internal");
    root.name("n1", "db", "c1", "10.0.0.2 fd00::2");
    root.name("n1", "web", "c1", "10.0.0.2");
    root.name("n1", "web", "c2", "10.0.0.3");
    let mut resolver = Running::start(&container, &root, &[], &[upstream.address]);
    assert_eq!(resolver.address("db"), (0, "10.0.0.2".into()));
    assert_eq!(resolver.ask("DB", message::AAAA), (0, vec!["fd00::2".into()]));
    assert_eq!(resolver.ask("web", message::AAAA), (0, vec![]));
    let (one, two) = (resolver.address("web").1, resolver.address("web").1);
    assert!(one != two && [&one, &two].contains(&&"10.0.0.2 10.0.0.3".to_owned()), "{one}, {two}");
    let (_, reverse) = resolver.ask("3.0.0.10.in-addr.arpa", message::PTR);
    assert_eq!(reverse, ["\u{3}web\u{6}Net-n1\0"]);
    // Nothing else leaves an internal network.
    assert_eq!(resolver.address("example.org"), (2, String::new()));
    assert_eq!(resolver.ask("1.2.0.192.in-addr.arpa", message::PTR).0, 2);
    assert_eq!(upstream.count(), 0);
    // Three questions at once on one connection, in pieces.
    let mut stream = resolver.connect();
    let questions: Vec<_> = ["db", "nobody", "web"].map(|name| resolver.question(name, message::A)).into();
    let mut bytes = Vec::new();
    for question in &questions {
        bytes.extend_from_slice(&(question.len() as u16).to_be_bytes());
        bytes.extend_from_slice(question);
    }
    stream.set_nodelay(true).unwrap();
    bytes.chunks(7).for_each(|chunk| stream.write_all(chunk).unwrap());
    let answers: Vec<_> =
        questions.iter().map(|question| outcome(question, &read_framed(&mut stream))).collect();
    assert_eq!((answers[0].1.len(), answers[1].0, answers[2].1.len()), (1, 2, 2));
    // It joins a network that leads outside, and its questions may leave.
    root.join("n2", "names");
    root.name("n2", "later", "c3", "10.9.0.3");
    assert_eq!(resolver.address("later"), (0, "10.9.0.3".into()));
    assert_eq!(resolver.address("example.org"), (0, "192.0.2.1".into()));
    // What is no question has no answer, and does no harm.
    let client = resolver.client();
    client.send(&[0; 5]).unwrap();
    client.send(&[1, 2, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    client.send(&[1, 2, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0]).unwrap();
    let mut buffer = [0; 64];
    assert_eq!(client.recv(&mut buffer).unwrap(), 12);
    assert_eq!(buffer[..4], [1, 2, 0x80, 0x81]);
    stream.write_all(&[0xff, 0xff]).unwrap();
    assert_eq!(stream.read(&mut buffer).unwrap(), 0, "too long a message ends the connection");
    resolver.stop();
}

#[test]
fn the_first_good_answer_of_all_upstreams_wins() {
    use Does::{Answer, AnswerAfterForgeries, Code, Nothing};
    let (container, root) = namespaces();
    root.join("n1", "names");
    // Nobody listens where this one was.
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let table: [(&[Does], (u8, &str)); 7] = [
        (&[Answer(1)], (0, "192.0.2.1")),
        (&[Nothing, Answer(2)], (0, "192.0.2.2")),
        (&[Code(2), Code(5), Answer(3)], (0, "192.0.2.3")),
        (&[Code(3)], (3, "")),
        (&[Code(5), Code(3)], (3, "")),
        (&[Code(2), Code(2)], (2, "")),
        (&[AnswerAfterForgeries(7)], (0, "192.0.2.7")),
    ];
    for (does, (code, address)) in table {
        let upstreams: Vec<_> = does.iter().map(|does| Upstream::new(*does)).collect();
        let mut addresses = vec![];
        addresses.extend(upstreams.iter().map(|upstream| upstream.address));
        if addresses.len() < 3 {
            addresses.insert(0, closed);
        }
        let mut resolver = Running::start(&container, &root, &[], &addresses);
        assert_eq!(resolver.address("example.org"), (code, address.to_owned()), "{does:?}");
        for upstream in &upstreams {
            // Everybody was asked, and nobody twice: no time had to pass.
            upstream.heard.recv_timeout(Duration::from_secs(20)).expect("asked");
            assert_eq!(upstream.count(), 1, "{does:?}");
        }
        resolver.stop();
    }
    let mut alone = Running::start(&container, &root, &[], &[closed]);
    assert_eq!(alone.address("example.org"), (2, String::new()));
    assert_eq!(
        alone.address("example.org"),
        (2, String::new()),
        "the only one is asked though it seems dead"
    );
    alone.stop();
    // An answer that was lost is asked for again.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut resolver = Running::start(&container, &root, &[], &[socket.local_addr().unwrap()]);
    let loser = std::thread::spawn(move || {
        let mut buffer = [0; 512];
        socket.recv_from(&mut buffer).unwrap();
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        socket.send_to(&answer(&buffer[..length], 0, 4), from).unwrap();
    });
    assert_eq!(resolver.address("example.org"), (0, "192.0.2.4".into()));
    loser.join().unwrap();
    resolver.stop();
}

#[test]
fn a_cut_answer_is_completed_for_those_who_can_take_it() {
    let (container, root) = namespaces();
    root.join("n1", "plain");
    for (whole, length) in [(true, 3000), (false, 0)] {
        let upstream = Upstream::new(Does::Cut(whole));
        let mut resolver = Running::start(&container, &root, &[], &[upstream.address]);
        let (question, cut) = resolver.exchange("example.org", message::A);
        assert_eq!(
            (cut.len(), cut[2] & 2),
            (question.len(), 2),
            "by UDP it stays cut, so that the client comes by TCP"
        );
        let mut stream = resolver.connect();
        let question = resolver.question("example.org", message::A);
        write_framed(&mut stream, &question);
        let answer = read_framed(&mut stream);
        let expected = question.len() + if whole { 16 + length } else { 0 };
        assert_eq!((answer.len(), answer[2] & 2 != 0), (expected, !whole));
        let resolver = resolver.stop();
        assert!(resolver.streams.due().is_some(), "the connection is kept for another question");
    }
}

#[test]
fn floods_are_bounded_and_names_are_answered_meanwhile() {
    let (container, root) = namespaces();
    root.join("n1", "names");
    root.name("n1", "db", "c1", "10.0.0.2");
    let silent = Upstream::new(Does::Nothing);
    let mut resolver = Running::start(&container, &root, &[], &[silent.address]);
    let flood = resolver.client();
    for id in 0..200u16 {
        flood.send(&question(id as u8, "example.org", message::A)).unwrap();
    }
    let mut streams: Vec<_> = (0..40).map(|_| resolver.connect()).collect();
    assert_eq!(resolver.address("db"), (0, "10.0.0.2".into()));
    // Who came last is served; who came first had to go.
    let question = resolver.question("db", message::A);
    let mut last = streams.pop().unwrap();
    write_framed(&mut last, &question);
    assert_eq!(outcome(&question, &read_framed(&mut last)).0, 0);
    assert_eq!(streams[0].read(&mut [0; 1]).unwrap_or(0), 0);
    // All of the flood gets an answer in the end, though a bad one.
    for _ in 0..200 {
        let mut buffer = [0; 512];
        flood.recv(&mut buffer).unwrap();
        assert_eq!(buffer[3] & 0xf, 2);
    }
    drop((last, streams));
    assert_eq!(resolver.address("db"), (0, "10.0.0.2".into()));
    let resolver = resolver.stop();
    assert!(resolver.forwarder.due().is_none(), "nothing is left");
    assert!(resolver.reading);
}

#[test]
fn upstreams_that_the_user_named_are_asked_from_inside() {
    let (container, root) = namespaces();
    root.join("n1", "names");
    let outside = Upstream::at("127.0.0.1:53", Does::Answer(1));
    let asked = ["127.0.0.1".parse().unwrap()];
    let mut resolver = Running::start(&container, &root, &asked, &[]);
    assert_eq!(resolver.address("example.org"), (2, String::new()));
    let inside = resolver.enter(|| Upstream::at("127.0.0.1:53", Does::Answer(2)));
    assert_eq!(resolver.address("example.org"), (0, "192.0.2.2".into()));
    assert_eq!((outside.count(), inside.count()), (0, 1));
    resolver.stop();
}

#[test]
fn a_successor_listens_where_its_predecessor_did() {
    let (container, root) = namespaces();
    root.join("n1", "names");
    root.name("n1", "db", "c1", "10.0.0.2");
    let mut resolver = Running::start(&container, &root, &[], &[]);
    let port = resolver.port;
    // A connection that ours ends first stays in the kernel for a while.
    let mut stream = resolver.connect();
    let question = resolver.question("db", message::A);
    write_framed(&mut stream, &question);
    read_framed(&mut stream);
    let taken = open(container.as_fd(), Some(port)).unwrap_err();
    assert_eq!(taken.errno(), Some(rustix::io::Errno::ADDRINUSE));
    assert!(taken.what().contains(&format!("127.0.0.11:{port}")), "{}", taken.what());
    drop(resolver.stop());
    drop(stream);
    let again = open(container.as_fd(), Some(port)).unwrap();
    assert_eq!(again.port, port);
    // Programs of the container may have port 53 of everything.
    let all = again.inside.enter(|| UdpSocket::bind("0.0.0.0:53")).unwrap();
    assert!(all.is_ok());
}

#[test]
fn an_event_tells_its_source() {
    for source in [
        Source::Datagrams,
        Source::Listener,
        Source::Timer,
        Source::Stream { number: u32::MAX, place: 15 },
        Source::Upstream { number: 0x8000_0001, slot: 127, place: 2 },
    ] {
        assert_eq!(Source::of(source.data()), source);
    }
}
