//! A container with CAP_NET_RAW says that it is somebody else: CVE-2020-13401 and its kin. Each frame is shown to
//! work where nobody guards, so that silence means what it should.

use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::Duration;

use tests::frame::{self, EVERYBODY, Hardware};
use tests::lan::{HOST, HOST6, NEIGHBOUR6, ROUTER, ROUTER6};
use tests::{Namespace, at, eventually};

use crate::network::Site;

/// Sends frames from where somebody is, a container or a machine that nobody guards.
#[track_caller]
fn send(from: &Namespace, interface: &str, frames: &[Vec<u8>]) {
    let words = arguments(from, interface, frames);
    from.run("perl", &words.iter().map(String::as_str).collect::<Vec<_>>()).ok();
}

/// The words for perl to send frames by.
#[track_caller]
fn arguments(from: &Namespace, interface: &str, frames: &[Vec<u8>]) -> Vec<String> {
    let shown = from.run("ip", &["-json", "link", "show", "dev", interface]).ok().json();
    let head = ["-e".to_owned(), frame::SEND.to_owned(), shown[0]["ifindex"].to_string()];
    head.into_iter().chain(frames.iter().map(|frame| frame::hex(frame))).collect()
}

/// The hardware address of an interface.
#[track_caller]
fn hardware(of: &Namespace, interface: &str) -> Hardware {
    let shown = of.run("ip", &["-json", "link", "show", "dev", interface]).ok().json();
    frame::hardware(shown[0]["address"].as_str().unwrap())
}

/// The hardware address that somebody knows for an address.
#[track_caller]
fn known(to: &Namespace, address: &str) -> String {
    let shown = to.run("ip", &["neigh", "show", address]).ok().stdout;
    shown.split_whitespace().skip_while(|word| *word != "lladdr").nth(1).unwrap_or_default().to_owned()
}

/// A site with a container that attacks and one that is attacked.
#[track_caller]
fn site() -> (Site, Namespace, Namespace) {
    let site = Site::new();
    let image = site.engine.image("busybox");
    with(site, &image)
}

#[track_caller]
fn with(site: Site, image: &str) -> (Site, Namespace, Namespace) {
    // A host that takes every advertisement, on interfaces that are still to come as well.
    for interface in ["all", "default", "eth0"] {
        site.lan.host.set_sysctl(&format!("ipv6/conf/{interface}/accept_ra"), "2");
    }
    site.network("net", &["--ipv6"]);
    site.engine.run(&["run", "-d", "--name", "evil", "--network", "net", image, "sleep", "1000"]).ok();
    let evil = site.engine.inside("evil");
    let victim = site.run("victim", &["--network", "net"]);
    // What was heard a moment ago may be heard otherwise.
    for (machine, interface) in
        [(&victim, "eth0"), (&site.lan.host, "eth0"), (&site.lan.host, &site.bridge("net"))]
    {
        machine.set_sysctl(&format!("ipv4/neigh/{interface}/locktime"), "0");
    }
    victim.set_sysctl("ipv6/conf/all/accept_ra", "2");
    victim.set_sysctl("ipv6/conf/eth0/accept_ra", "2");
    (site, evil, victim)
}

fn v4(address: &str) -> Ipv4Addr {
    address.parse().unwrap()
}

fn v6(address: &str) -> Ipv6Addr {
    address.parse().unwrap()
}

#[test]
fn no_router_is_advertised_to_the_host_or_to_a_neighbour() {
    let (site, evil, victim) = site();
    let host = &site.lan.host;
    let routes = |of: &Namespace| of.run("ip", &["-6", "route"]).ok().stdout;
    let before = [routes(host), routes(&victim)];
    let from = hardware(&evil, "eth0");
    for source in [from, hardware(&victim, "eth0"), [2, 0, 0, 0, 0, 1]] {
        let advertisement = frame::router_advertisement(source, v6("2001:db8:666::"));
        send(&evil, "eth0", &[advertisement.clone(), advertisement]);
    }
    // The same from a machine that may: the host listens.
    let router = hardware(&site.lan.router, "lan");
    send(&site.lan.router, "lan", &[frame::router_advertisement(router, v6("2001:db8:777::"))]);
    eventually("the host takes what a router of its network says", || routes(host).contains("2001:db8:777"));
    assert!(!routes(host).contains("2001:db8:666"), "{}", routes(host));
    assert_eq!(routes(&victim), before[1]);
    let own: Vec<String> =
        routes(host).lines().filter(|line| !line.contains("eth0")).map(str::to_owned).collect();
    for line in own {
        assert!(before[0].contains(line.split(" expires").next().unwrap()), "new on the host: {line}");
    }
}

#[test]
fn nobody_is_told_a_false_hardware_address() {
    let (site, evil, victim) = site();
    let host = &site.lan.host;
    let (gateway, gateway6) =
        (site.gateway("net"), site.inspect("net", "{{(index .IPAM.Config 1).Gateway}}"));
    let (address, address6) = (site.engine.address("victim", "net"), site.engine.address6("victim", "net"));
    // All know each other.
    for to in [&gateway, &gateway6] {
        assert!(victim.is_answered(at(to, 9)));
    }
    for to in [&address, &address6] {
        assert!(host.is_answered(at(to, 9)));
    }
    let inside = evil;
    let evil = hardware(&inside, "eth0");
    let (of_victim, of_bridge) = (hardware(&victim, "eth0"), hardware(host, &site.bridge("net")));
    let before = [&gateway, &gateway6].map(|of| known(&victim, of));
    let before_host = [&address, &address6].map(|of| known(host, of));
    send(
        &inside,
        "eth0",
        &[
            frame::arp_reply(of_victim, evil, v4(&gateway), v4(&address)),
            frame::arp_reply(EVERYBODY, evil, v4(&gateway), v4(&gateway)),
            frame::arp_reply(of_bridge, evil, v4(&address), v4(&gateway)),
            frame::neighbour_advertisement(of_victim, v6(&address6), evil, v6(&gateway6)),
            frame::neighbour_advertisement(of_bridge, v6(&gateway6), evil, v6(&address6)),
        ],
    );
    // The same works where nobody guards: a neighbour takes the router's place.
    for to in [ROUTER, ROUTER6] {
        assert!(host.is_answered(at(to, 9)));
    }
    let (of_host, thief) = (hardware(host, "eth0"), hardware(&site.lan.neighbour, "eth0"));
    send(
        &site.lan.neighbour,
        "eth0",
        &[
            frame::arp_reply(of_host, thief, v4(ROUTER), v4(HOST)),
            frame::neighbour_advertisement(of_host, v6(HOST6), thief, v6(ROUTER6)),
        ],
    );
    let thief = thief.map(|byte| format!("{byte:02x}")).join(":");
    eventually("the unguarded are deceived", || [ROUTER, ROUTER6].iter().all(|of| known(host, of) == thief));
    assert_eq!([&gateway, &gateway6].map(|of| known(&victim, of)), before);
    assert_eq!([&address, &address6].map(|of| known(host, of)), before_host);
}

#[test]
fn packets_come_from_the_address_and_the_hardware_they_say() {
    // With the tools of a real system, as root of a container.
    let site = Site::new();
    let image = site.engine.image("debian");
    let (site, inside, victim) = with(site, &image);
    let open = |port: u16| {
        let socket = victim.enter(|| UdpSocket::bind(at("0.0.0.0", port)).unwrap());
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        socket
    };
    let (plain, dhcp) = (open(5000), open(68));
    let address = v4(&site.engine.address("victim", "net"));
    let evil = v4(&site.engine.address("evil", "net"));
    let (from, to) = (hardware(&inside, "eth0"), hardware(&victim, "eth0"));
    let packet = |source: Ipv4Addr, ports: (u16, u16), text: &str| {
        frame::udp4((source, ports.0), (address, ports.1), text.as_bytes())
    };
    let honest = packet(evil, (4000, 5000), "honest");
    let tagged = [&[0, 7, 8, 0][..], &packet(evil, (4000, 5000), "tagged")].concat();
    let frames = [
        frame::ethernet(to, from, 0x0800, &packet(v4(&site.gateway("net")), (4000, 5000), "as the gateway")),
        frame::ethernet(to, from, 0x0800, &packet(v4("203.0.113.9"), (4000, 5000), "as the world")),
        frame::ethernet(to, from, 0x0800, &packet(v4("127.0.0.1"), (4000, 5000), "as loopback")),
        frame::ethernet(to, [2, 0, 0, 0, 0, 9], 0x0800, &packet(evil, (4000, 5000), "other hardware")),
        frame::ethernet(to, to, 0x0800, &packet(evil, (4000, 5000), "the victim's hardware")),
        frame::ethernet(to, from, 0x8100, &tagged),
        frame::ethernet(to, from, 0x88a8, &tagged),
        frame::ethernet(to, from, 0x0800, &packet(evil, (67, 68), "an offer")),
        frame::ethernet(
            EVERYBODY,
            from,
            0x0800,
            &frame::udp4((evil, 67), (v4("255.255.255.255"), 68), b"an offer"),
        ),
        frame::ethernet(to, from, 0x0800, &honest),
    ];
    let words = arguments(&inside, "eth0", &frames);
    let words: Vec<&str> =
        ["exec", "evil", "perl"].into_iter().chain(words.iter().map(String::as_str)).collect();
    site.engine.run(&words).ok();
    let mut buffer = [0; 64];
    let (length, peer) = plain.recv_from(&mut buffer).expect("what is honest arrives");
    assert_eq!(String::from_utf8_lossy(&buffer[..length]), "honest", "from {peer}");
    assert_eq!(peer.ip(), evil);
    assert!(plain.recv_from(&mut buffer).is_err(), "and nothing after it");
    assert!(dhcp.recv_from(&mut buffer).is_err(), "no container gives addresses out");
    // Where nobody guards, a neighbour speaks as the router.
    let socket = site.lan.host.enter(|| UdpSocket::bind(at(HOST, 5000)).unwrap());
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let (of_host, thief) = (hardware(&site.lan.host, "eth0"), hardware(&site.lan.neighbour, "eth0"));
    let packet = frame::udp4((v4(ROUTER), 4000), (v4(HOST), 5000), b"as the router");
    send(&site.lan.neighbour, "eth0", &[frame::ethernet(of_host, thief, 0x0800, &packet)]);
    assert_eq!(socket.recv_from(&mut buffer).expect("it is believed").1.ip().to_string(), ROUTER);
}

#[test]
fn a_network_of_version_4_has_no_ipv6_at_all() {
    // CVE-2024-32473: an address that nobody gave is one that no rule knows. Nor after a neighbour, or beside the
    // host a router, has said that it is one.
    let site = Site::new();
    site.network("net", &[]);
    site.network(
        "lan",
        &["-d", "macvlan", "--subnet", "198.51.100.0/24", "--gateway", ROUTER, "-o", "parent=eth0"],
    );
    let evil = site.run("evil", &["--network", "net"]);
    let from = hardware(&evil, "eth0");
    let insides = [
        site.run("plain", &[]),
        site.run("box", &["--network", "net"]),
        site.run("beside", &["--network", "lan", "--ip", "198.51.100.77"]),
    ];
    for inside in &insides {
        inside.set_sysctl("ipv6/conf/all/accept_ra", "2");
    }
    send(&evil, "eth0", &[frame::router_advertisement(from, v6("2001:db8:666::"))]);
    let router = hardware(&site.lan.router, "lan");
    send(&site.lan.router, "lan", &[frame::router_advertisement(router, v6("2001:db8:777::"))]);
    let host = || site.lan.host.run("ip", &["-6", "addr"]).ok().stdout;
    eventually("who listens has heard", || host().contains("2001:db8:777"));
    for inside in &insides {
        let shown = inside.enter(|| std::fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap());
        assert!(shown.lines().all(|line| line.ends_with(" lo")), "{shown}");
        inside.cannot_ask(tests::Transport::Tcp, at(NEIGHBOUR6, 80));
    }
}
