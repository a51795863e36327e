//! A host, its neighbour and containers: each a network namespace of its own that goes with the test.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Command;
use std::time::{Duration, Instant};

use network::{
    BridgeRules, Cidr, Connection, Endpoint, Fabric, Link, Mac, PortRule, Protocol, host_interface,
};
use sys::process::NEWNET;

/// How long a packet may take that is to come, and how long is waited for one that must not.
const COMES: Duration = Duration::from_secs(3);
const NEVER: Duration = Duration::from_millis(150);

/// A network namespace.
pub(crate) struct Netns(OwnedFd);

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Netns {
    pub(crate) fn new() -> Self {
        std::thread::spawn(|| {
            sys::process::unshare(NEWNET).unwrap();
            sys::loopback::bring_up().unwrap();
            Self::current()
        })
        .join()
        .unwrap()
    }

    pub(crate) fn current() -> Self {
        Self(std::fs::File::open("/proc/thread-self/ns/net").unwrap().into())
    }

    /// Runs something inside, in a thread of its own.
    pub(crate) fn run<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|threads| {
            let thread = threads.spawn(|| {
                sys::process::join_namespaces(self.0.as_fd(), NEWNET).unwrap();
                body()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    pub(crate) fn sh(&self, script: &str) -> String {
        self.run(|| sh(script))
    }

    /// Answers connections on an address for ever: with who asked.
    pub(crate) fn serve_tcp(&self, address: &str) {
        let listener = self.run(|| TcpListener::bind(address).unwrap_or_else(|e| panic!("{address}: {e}")));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    // One that has gone already has no name.
                    let Ok(peer) = stream.peer_addr() else { return };
                    let peer = peer.ip().to_canonical().to_string();
                    let mut word = [0; 64];
                    while let Ok(length @ 1..) = stream.read(&mut word) {
                        let _ = stream.write_all(format!("{peer} {}", text(&word[..length])).as_bytes());
                    }
                });
            }
        });
    }

    pub(crate) fn serve_udp(&self, address: &str) {
        let socket = self.run(|| UdpSocket::bind(address).unwrap_or_else(|e| panic!("{address}: {e}")));
        std::thread::spawn(move || {
            let mut word = [0; 64];
            while let Ok((length, peer)) = socket.recv_from(&mut word) {
                let answer = format!("{} {}", peer.ip().to_canonical(), text(&word[..length]));
                let _ = socket.send_to(answer.as_bytes(), peer);
            }
        });
    }

    /// Asks a server; returns as whom it saw us, or nothing if no answer came.
    pub(crate) fn ask(&self, protocol: Protocol, address: &str) -> Option<String> {
        self.ask_for(protocol, address, COMES)
    }

    fn ask_for(&self, protocol: Protocol, address: &str, time: Duration) -> Option<String> {
        let address: SocketAddr = address.parse().unwrap();
        self.run(|| match protocol {
            Protocol::Tcp => {
                let stream = TcpStream::connect_timeout(&address, time).ok()?;
                Talk(stream).say("x")
            }
            Protocol::Udp => {
                let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(any).unwrap();
                socket.connect(address).ok()?;
                let started = Instant::now();
                // The first may be lost while neighbours find each other; a second one is fair.
                while started.elapsed() < time {
                    socket.set_read_timeout(Some(time / 2)).unwrap();
                    let mut answer = [0; 128];
                    if socket.send(b"x").is_ok()
                        && let Ok(length) = socket.recv(&mut answer)
                    {
                        return Some(text(&answer[..length]).strip_suffix(" x")?.to_owned());
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
                None
            }
        })
    }

    /// Checks that nobody answers.
    pub(crate) fn asks_in_vain(&self, protocol: Protocol, address: &str) {
        let answer = self.ask_for(protocol, address, NEVER);
        assert_eq!(answer, None, "{protocol} {address} must not be reached");
    }

    pub(crate) fn talk(&self, address: &str) -> Talk {
        let address: SocketAddr = address.parse().unwrap();
        Talk(self.run(|| TcpStream::connect_timeout(&address, COMES).unwrap()))
    }
}

/// A connection that lives on.
pub(crate) struct Talk(TcpStream);

impl Talk {
    pub(crate) fn say(&mut self, word: &str) -> Option<String> {
        self.0.set_read_timeout(Some(COMES)).unwrap();
        self.0.write_all(word.as_bytes()).ok()?;
        let mut answer = [0; 128];
        let length = self.0.read(&mut answer).ok()?;
        Some(text(&answer[..length]).strip_suffix(&format!(" {word}"))?.to_owned())
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Runs a shell in the calling thread's network namespace.
pub(crate) fn sh(script: &str) -> String {
    let output = Command::new("/bin/sh").args(["-ec", script]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The host and what is around it. The test's own thread is on the host.
///
/// ```text
///   neighbour 192.0.2.2, 2001:db8::2 ── eth0 192.0.2.1, 2001:db8::1 host ── bridges ── containers
/// ```
///
/// The neighbour has routes to everything by way of the host: nothing is kept from it by not knowing the way.
pub(crate) struct World {
    pub(crate) host: Netns,
    pub(crate) neighbour: Netns,
    pub(crate) fabric: Fabric,
    _run_root: tempfile::TempDir,
}

pub(crate) const HOST4: &str = "192.0.2.1";
pub(crate) const HOST6: &str = "2001:db8::1";

impl World {
    pub(crate) fn new() -> Self {
        sys::process::unshare(NEWNET | sys::process::NEWNS).unwrap();
        sys::mount::set_propagation_recursive(std::path::Path::new("/"), sys::mount::PRIVATE).unwrap();
        sys::loopback::bring_up().unwrap();
        // The one that is there shows the interfaces of the machine itself.
        sh("mount -t sysfs sysfs /sys");
        let (host, neighbour) = (Netns::current(), Netns::new());
        let pid = std::process::id();
        // `ip` takes namespaces by process, and ours are those of threads.
        let fd = std::os::fd::AsRawFd::as_raw_fd(&neighbour.0);
        sh(&format!(
            "ip link add eth0 type veth peer name eth0 netns /proc/{pid}/fd/{fd}
             sysctl -qw net.ipv6.conf.eth0.accept_dad=0
             ip addr add 192.0.2.1/24 dev eth0; ip addr add 2001:db8::1/64 dev eth0 nodad; ip link set eth0 up"
        ));
        neighbour.sh("sysctl -qw net.ipv6.conf.eth0.accept_dad=0
             ip addr add 192.0.2.2/24 dev eth0; ip addr add 2001:db8::2/64 dev eth0 nodad; ip link set eth0 up
             ip route add default via 192.0.2.1; ip route add default via 2001:db8::1");
        let run_root = tempfile::tempdir().unwrap();
        let fabric = Fabric::new(run_root.path());
        Self { host, neighbour, fabric, _run_root: run_root }
    }

    /// Makes the fabric take bridges to be full early.
    pub(crate) fn with_ports_max(mut self, ports_max: usize) -> Self {
        self.fabric = self.fabric.with_ports_max(ports_max);
        self
    }

    pub(crate) fn publish(&self, endpoints: &[Endpoint], ports: &[PortRule]) {
        for endpoint in endpoints {
            self.fabric.state().publish(endpoint).unwrap();
        }
        self.fabric.state().publish_ports(&endpoints[0].container_id, ports).unwrap();
    }

    /// Connects a new container to networks.
    pub(crate) fn container(
        &self,
        id: &str,
        networks: &[&Network],
        number: u8,
        ports: &[PortRule],
    ) -> Container {
        let endpoints: Vec<Endpoint> = networks
            .iter()
            .enumerate()
            .map(|(at, network)| network.endpoint(id, number, &format!("eth{at}"), at == 0))
            .collect();
        self.publish(&endpoints, ports);
        let netns = Netns::new();
        let connection = Connection { endpoints: &endpoints, ports, resolver_port: None };
        self.fabric.connect(&connection, netns.as_fd()).unwrap();
        Container { netns, endpoints, ports: ports.to_vec() }
    }

    pub(crate) fn disconnect(&self, container: Container) {
        self.fabric.disconnect(&container.endpoints, &container.ports).unwrap();
        for endpoint in &container.endpoints {
            self.fabric.state().release(&endpoint.network_id, &endpoint.container_id).unwrap();
        }
        self.fabric.state().release_all(&container.endpoints[0].container_id).unwrap();
    }

    /// All that the firewall holds, in the words of `nft`.
    pub(crate) fn ruleset(&self) -> String {
        self.host.sh("nft list ruleset")
    }
}

pub(crate) struct Container {
    pub(crate) netns: Netns,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) ports: Vec<PortRule>,
}

impl Container {
    /// Returns the first address of a family.
    pub(crate) fn ip(&self, ipv4: bool) -> IpAddr {
        let mut addresses = self.endpoints[0].addresses.iter().map(|cidr| cidr.address);
        addresses.find(|address| address.is_ipv4() == ipv4).unwrap()
    }
}

/// A network as the engine decides it.
#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) id: String,
    pub(crate) rules: BridgeRules,
}

impl Network {
    /// Makes up a network: its subnets are told by its number.
    pub(crate) fn new(bridge: &str, number: u8, ipv6: bool) -> Self {
        let mut subnets: Vec<Cidr> = vec![format!("10.88.{number}.1/24").parse().unwrap()];
        if ipv6 {
            subnets.push(format!("fd00:88:{number}::1/64").parse().unwrap());
        }
        let rules =
            BridgeRules { bridge: bridge.into(), internal: false, between: true, masquerade: true, subnets };
        Self { id: format!("network{number}"), rules }
    }

    pub(crate) fn internal(mut self) -> Self {
        (self.rules.internal, self.rules.masquerade) = (true, false);
        self
    }

    pub(crate) fn apart(mut self) -> Self {
        self.rules.between = false;
        self
    }

    pub(crate) fn endpoint(&self, container: &str, number: u8, interface: &str, default: bool) -> Endpoint {
        let at = |cidr: &Cidr| Cidr { address: cidr.at(number.into()), prefix: cidr.prefix };
        let addresses: Vec<Cidr> = self.rules.subnets.iter().map(at).collect();
        let IpAddr::V4(first) = addresses[0].address else { unreachable!("IPv4 comes first") };
        let gateways = self.rules.subnets.iter().map(|cidr| cidr.address);
        Endpoint {
            container_id: container.into(),
            network_id: self.id.clone(),
            network: self.id.clone(),
            names: vec![container.into()],
            link: Link::Bridge {
                host_interface: host_interface(container, &self.id),
                rules: self.rules.clone(),
            },
            interface: interface.into(),
            mac: Mac::of_ipv4(first),
            addresses,
            gateways: if default && !self.rules.internal { gateways.collect() } else { Vec::new() },
            mtu: None,
        }
    }
}

pub(crate) fn port(protocol: Protocol, host: &str, container: &str) -> PortRule {
    PortRule::new(protocol, host.parse().unwrap(), container.parse().unwrap())
}
