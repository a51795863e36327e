//! Ports of the loopback interface that are passed on to servers on it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, poll};

use super::*;

/// A published port with somebody who passes it on in a thread.
struct Published {
    host: SocketAddr,
    stop: std::sync::Arc<AtomicBool>,
    thread: Option<JoinHandle<usize>>,
}

impl Published {
    fn new(protocol: Protocol, container: SocketAddr) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let rule = PortRule::new(protocol, "[::]:0".parse().unwrap(), container);
        let held = network::hold(&network::State::new(temp.path()), rule, "c").unwrap();
        let host = SocketAddr::new("::1".parse().unwrap(), held.rule.host.port());
        let stop = std::sync::Arc::new(AtomicBool::new(false));
        let stopped = std::sync::Arc::clone(&stop);
        let serve = move || {
            let sockets = [held.socket];
            let mut forwarding = Forwarding::start(&[held.rule], &sockets).unwrap().unwrap();
            let mut turns = 0;
            while !stopped.load(Ordering::SeqCst) {
                let tick = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
                if poll(&mut [PollFd::new(&forwarding, PollFlags::IN)], Some(&tick)).unwrap() > 0 {
                    turns += 1;
                    forwarding.ready().unwrap();
                }
            }
            // Nothing is left of those who have gone.
            let busy = forwarding.streams.busy();
            assert_eq!(busy, 0, "connections are left");
            turns
        };
        Self { host, stop, thread: Some(thread::spawn(serve)) }
    }

    /// Stops, and returns how often it was woken.
    fn stop(mut self) -> usize {
        // The last connection may just be about to end.
        thread::sleep(Duration::from_millis(50));
        self.stop.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap()
    }
}

/// A container's server: answers with what it got once that has ended.
fn echo_at_the_end() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut stream = stream;
                let mut bytes = Vec::new();
                if stream.read_to_end(&mut bytes).is_ok() {
                    let _ = stream.write_all(&bytes);
                }
            });
        }
    });
    address
}

fn exchange(stream: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    stream.write_all(bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

#[test]
fn bytes_pass_both_ways_and_each_way_ends_by_itself() {
    let published = Published::new(Protocol::Tcp, echo_at_the_end());
    let bytes: Vec<u8> = (0..3_000_000u32).map(|number| (number.wrapping_mul(7919) >> 5) as u8).collect();
    for count in [0, 1, 65_536, bytes.len()] {
        let mut client = TcpStream::connect(published.host).unwrap();
        assert!(exchange(&mut client, &bytes[..count]) == bytes[..count], "{count} bytes");
    }
    published.stop();
}

#[test]
fn who_does_not_read_holds_up_nobody_and_wakes_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let published = Published::new(Protocol::Tcp, listener.local_addr().unwrap());
    let mut client = TcpStream::connect(published.host).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    client.set_nonblocking(true).unwrap();
    let chunk = [7; 65536];
    let mut sent = 0;
    // Until nothing has moved for a while.
    for _ in 0..20 {
        while let Ok(count) = client.write(&chunk) {
            sent += count;
        }
        thread::sleep(Duration::from_millis(10));
    }
    client.set_nonblocking(false).unwrap();
    // The other way is free.
    server.write_all(b"answer").unwrap();
    let mut answer = [0; 6];
    client.read_exact(&mut answer).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    thread::sleep(Duration::from_millis(200));
    let mut bytes = Vec::new();
    server.read_to_end(&mut bytes).unwrap();
    assert!(bytes.len() == sent && bytes.iter().all(|byte| *byte == 7));
    drop((server, client));
    let turns = published.stop();
    assert!(turns < 3000, "woken {turns} times");
}

#[test]
fn more_clients_than_there_are_places_are_served_in_turn() {
    let published = Published::new(Protocol::Tcp, echo_at_the_end());
    let mut clients: Vec<_> = (0..280).map(|_| TcpStream::connect(published.host).unwrap()).collect();
    thread::sleep(Duration::from_millis(50));
    for (number, client) in clients.iter_mut().enumerate() {
        let text = number.to_string();
        assert_eq!(exchange(client, text.as_bytes()), text.as_bytes());
    }
    drop(clients);
    published.stop();
}

#[test]
fn a_refusal_and_a_reset_reach_the_client() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let published = Published::new(Protocol::Tcp, closed);
    let mut client = TcpStream::connect(published.host).unwrap();
    let error = client.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    published.stop();

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let published = Published::new(Protocol::Tcp, listener.local_addr().unwrap());
    let mut client = TcpStream::connect(published.host).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(b"half an ans").unwrap();
    client.read_exact(&mut [0; 11]).unwrap();
    reset(&OwnedFd::from(server));
    let error = client.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    published.stop();
}

#[test]
fn datagrams_are_answered_from_where_they_went_to_each_their_own() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let published = Published::new(Protocol::Udp, server.local_addr().unwrap());
    // More than there are places: the silent ones give way.
    let clients: Vec<_> = (0..80u8)
        .map(|number| {
            let client = UdpSocket::bind("[::1]:0").unwrap();
            client.connect(published.host).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            client.send(&[number]).unwrap();
            let mut buffer = [0; 8];
            let (count, from) = server.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..count], [number]);
            (client, number, from)
        })
        .collect();
    let late = &clients[70..];
    for (_, number, from) in late.iter().rev() {
        server.send_to(&[*number, 1], from).unwrap();
    }
    let mut buffer = vec![0; 70_000];
    for (client, number, _) in late {
        assert_eq!((client.recv(&mut buffer).unwrap(), &buffer[..2]), (2, &[*number, 1][..]));
    }
    // The first has lost its place and gets another.
    let (first, ..) = &clients[0];
    let largest = vec![9; 65_000];
    first.send(&largest).unwrap();
    let (count, from) = server.recv_from(&mut buffer).unwrap();
    assert_eq!(count, largest.len());
    server.send_to(&buffer[..count], from).unwrap();
    assert_eq!(first.recv(&mut buffer).unwrap(), count);
    published.stop();
}

#[test]
fn ports_that_the_firewall_leads_are_left_alone() {
    let rule =
        |host: &str| PortRule::new(Protocol::Tcp, host.parse().unwrap(), "10.0.0.2:80".parse().unwrap());
    let sockets = [OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap())];
    assert!(Forwarding::start(&[rule("0.0.0.0:80")], &sockets).unwrap().is_none());
    assert!(Forwarding::start(&[], &[]).unwrap().is_none());
}

/// Lets the end of a connection be a reset.
fn reset(socket: &OwnedFd) {
    rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO)).unwrap();
}
