//! Who reaches whom.

use network::Protocol::{Tcp, Udp};

use crate::world::{HOST4, HOST6, Network, World, port};

#[test]
fn a_container_gets_what_its_endpoint_says() {
    let world = World::new();
    let both = Network::new("coracle0", 1, true);
    let one = world.container("one", &[&both], 2, &[]);
    let shown = one
        .netns
        .sh("ip -br addr show eth0; ip route; ip -6 route; cat /proc/sys/net/ipv6/conf/eth0/accept_ra");
    for wanted in [
        "UP",
        "10.88.1.2/24",
        "fd00:88:1::2/64",
        "fe80::42:aff:fe58:102/64",
        "default via 10.88.1.1 dev eth0",
        "default via fd00:88:1::1 dev eth0",
    ] {
        assert!(shown.contains(wanted), "no {wanted} in {shown}");
    }
    assert!(!one.netns.sh("ip addr").contains("tentative"));
    let plain = Network::new("coracle-plain00", 2, false);
    let two = world.container("two", &[&plain], 2, &[]);
    let shown = two.netns.sh("ip addr show eth0");
    assert!(!shown.contains("inet6"), "CVE-2024-32473: {shown}");
    assert!(!world.host.sh("ip addr show type veth").replace("eth0@", "").contains("fe80::42"));
    world.disconnect(one);
    world.disconnect(two);
    let ruleset = world.ruleset();
    assert!(!ruleset.contains("crc") && !ruleset.contains("10.88"), "{ruleset}");
    assert!(!world.host.sh("ip link").contains("crc"));
}

#[test]
fn published_ports_are_reached_from_everywhere() {
    let world = World::new();
    let network = Network::new("coracle0", 1, true);
    let other = Network::new("coracle-other00", 2, true);
    let ports = [
        port(Tcp, "0.0.0.0:8080", "10.88.1.2:80"),
        port(Tcp, "[::]:8080", "[fd00:88:1::2]:80"),
        port(Udp, "0.0.0.0:5353", "10.88.1.2:53"),
        port(Udp, "[::]:5353", "[fd00:88:1::2]:53"),
    ];
    let web = world.container("web", &[&network], 2, &ports);
    let peer = world.container("peer", &[&network], 3, &[]);
    let stranger = world.container("stranger", &[&other], 2, &[]);
    web.netns.serve_tcp("[::]:80");
    web.netns.serve_udp("[::]:53");
    for (protocol, port) in [(Tcp, 8080), (Udp, 5353)] {
        for host in [HOST4.to_owned(), format!("[{HOST6}]")] {
            let address = format!("{host}:{port}");
            let (neighbour, gateway, stranger_ip) = match host.contains(':') {
                true => ("2001:db8::2", "fd00:88:1::1", "fd00:88:2::2"),
                false => ("192.0.2.2", "10.88.1.1", "10.88.2.2"),
            };
            let seen = world.neighbour.ask(protocol, &address);
            assert_eq!(seen.as_deref(), Some(neighbour), "from the neighbour, {protocol} {address}");
            assert!(world.host.ask(protocol, &address).is_some(), "from the host, {protocol} {address}");
            let seen = stranger.netns.ask(protocol, &address);
            assert_eq!(seen.as_deref(), Some(stranger_ip), "from another network, {protocol} {address}");
            for (who, netns) in [("a peer", &peer.netns), ("itself", &web.netns)] {
                let seen = netns.ask(protocol, &address);
                assert_eq!(seen.as_deref(), Some(gateway), "from {who}, {protocol} {address}");
            }
        }
        let seen = world.host.ask(protocol, &format!("127.0.0.1:{port}"));
        assert_eq!(seen.as_deref(), Some("10.88.1.1"), "from the host's loopback, {protocol}");
    }
    let seen = peer.netns.ask(Tcp, "10.88.1.2:80");
    assert_eq!(seen.as_deref(), Some("10.88.1.3"), "between containers addresses stay");
}

#[test]
fn ports_of_loopback_are_reached_from_loopback_alone() {
    let world = World::new();
    let network = Network::new("coracle0", 1, false);
    let ports = [port(Tcp, "127.0.0.1:8080", "10.88.1.2:80"), port(Udp, "127.0.0.1:8080", "10.88.1.2:80")];
    let web = world.container("web", &[&network], 2, &ports);
    let peer = world.container("peer", &[&network], 3, &[]);
    web.netns.serve_tcp("0.0.0.0:80");
    web.netns.serve_udp("0.0.0.0:80");
    // A neighbour, and a container, that send to 127.0.0.1 by way of the host (CVE-2025-54388).
    for (netns, gateway) in [(&world.neighbour, "192.0.2.1"), (&peer.netns, "10.88.1.1")] {
        netns.sh(&format!(
            "sysctl -qw net.ipv4.conf.all.route_localnet=1
             ip addr del 127.0.0.1/8 dev lo; ip route del local 127.0.0.0/8 table local || true
             ip route del local 127.0.0.1 table local || true
             ip route add 127.0.0.1 via {gateway} src $(ip -4 -o addr show eth0 | sed 's/.*inet \\([^/]*\\).*/\\1/')"
        ));
    }
    for protocol in [Tcp, Udp] {
        let seen = world.host.ask(protocol, "127.0.0.1:8080");
        assert_eq!(seen.as_deref(), Some("10.88.1.1"), "{protocol}");
        world.neighbour.asks_in_vain(protocol, "127.0.0.1:8080");
        peer.netns.asks_in_vain(protocol, "127.0.0.1:8080");
        world.neighbour.asks_in_vain(protocol, "192.0.2.1:8080");
        peer.netns.asks_in_vain(protocol, "10.88.1.1:8080");
    }
}

#[test]
fn a_port_of_one_address_is_not_one_of_others() {
    let world = World::new();
    let network = Network::new("coracle0", 1, true);
    let ports = [
        port(Tcp, "192.0.2.1:8080", "10.88.1.2:80"),
        port(Tcp, "[2001:db8::1]:8080", "[fd00:88:1::2]:80"),
        port(Tcp, "0.0.0.0:9000", "10.88.1.2:80"),
        port(Tcp, "0.0.0.0:9001", "10.88.1.2:81"),
    ];
    let web = world.container("web", &[&network], 2, &ports);
    web.netns.serve_tcp("[::]:80");
    web.netns.serve_tcp("[::]:81");
    for address in ["192.0.2.1:8080", "[2001:db8::1]:8080", "192.0.2.1:9000", "192.0.2.1:9001"] {
        assert!(world.neighbour.ask(Tcp, address).is_some(), "{address}");
    }
    world.host.sh("ip addr add 192.0.2.9/24 dev eth0");
    assert!(world.neighbour.ask(Tcp, "192.0.2.9:9000").is_some());
    world.neighbour.asks_in_vain(Tcp, "192.0.2.9:8080");
    world.neighbour.asks_in_vain(Tcp, "192.0.2.1:9002");
    let explained = world.fabric.explain(&ports[0]).unwrap().join("\n");
    assert!(explained.contains("map `ports4`") && !explained.contains("MISSING"), "{explained}");
    world.fabric.disconnect(&[], &ports[..1]).unwrap();
    world.neighbour.asks_in_vain(Tcp, "192.0.2.1:8080");
    let explained = world.fabric.explain(&ports[0]).unwrap().join("\n");
    assert!(explained.contains("tcp 192.0.2.1:8080 → 10.88.1.2:80 is MISSING"), "{explained}");
}

#[test]
fn what_is_not_published_is_reached_by_nobody_outside() {
    let world = World::new();
    let network = Network::new("coracle0", 1, true);
    let other = Network::new("coracle-other00", 2, true);
    let web = world.container("web", &[&network], 2, &[port(Tcp, "0.0.0.0:8080", "10.88.1.2:80")]);
    let stranger = world.container("stranger", &[&other], 2, &[]);
    web.netns.serve_tcp("[::]:80");
    web.netns.serve_tcp("[::]:22");
    world.neighbour.serve_tcp("[::]:80");
    for address in ["10.88.1.2:80", "10.88.1.2:22", "[fd00:88:1::2]:80"] {
        world.neighbour.asks_in_vain(Tcp, address);
        stranger.netns.asks_in_vain(Tcp, address);
        assert!(world.host.ask(Tcp, address).is_some(), "{address} from the host itself");
    }
    // Elsewhere containers have the host's address.
    assert_eq!(web.netns.ask(Tcp, "192.0.2.2:80").as_deref(), Some("192.0.2.1"));
    assert_eq!(web.netns.ask(Tcp, "[2001:db8::2]:80").as_deref(), Some("2001:db8::1"));
    let mut plain = Network::new("coracle-plain00", 3, false);
    plain.rules.masquerade = false;
    let plain = world.container("plain", &[&plain], 2, &[]);
    assert_eq!(plain.netns.ask(Tcp, "192.0.2.2:80").as_deref(), Some("10.88.3.2"));
}

#[test]
fn an_internal_network_leads_nowhere() {
    let world = World::new();
    let inner = Network::new("coracle-inner00", 1, true).internal();
    let outer = Network::new("coracle0", 2, true);
    let one = world.container("one", &[&inner], 2, &[]);
    let two = world.container("two", &[&inner], 3, &[]);
    let web = world.container("web", &[&outer], 2, &[port(Tcp, "0.0.0.0:8080", "10.88.2.2:80")]);
    for netns in [&two.netns, &web.netns, &world.neighbour] {
        netns.serve_tcp("[::]:80");
    }
    assert_eq!(one.netns.ask(Tcp, "10.88.1.3:80").as_deref(), Some("10.88.1.2"));
    assert_eq!(one.netns.ask(Tcp, "[fd00:88:1::3]:80").as_deref(), Some("fd00:88:1::2"));
    one.netns.sh("ip route add default via 10.88.1.1; ip route add default via fd00:88:1::1");
    for address in ["192.0.2.2:80", "[2001:db8::2]:80", "10.88.2.2:80", "192.0.2.1:8080"] {
        one.netns.asks_in_vain(Tcp, address);
    }
    world.neighbour.asks_in_vain(Tcp, "10.88.1.3:80");
    web.netns.asks_in_vain(Tcp, "10.88.1.3:80");
}

#[test]
fn containers_are_kept_apart_on_request() {
    let world = World::new();
    let network = Network::new("coracle0", 1, true).apart();
    let one = world.container("one", &[&network], 2, &[]);
    let two = world.container("two", &[&network], 3, &[port(Tcp, "0.0.0.0:8080", "10.88.1.3:80")]);
    two.netns.serve_tcp("[::]:80");
    one.netns.asks_in_vain(Tcp, "10.88.1.3:80");
    one.netns.asks_in_vain(Tcp, "[fd00:88:1::3]:80");
    // By way of the host, too.
    one.netns.sh("ip route add 10.88.1.3 via 10.88.1.1; ip route add fd00:88:1::3 via fd00:88:1::1");
    one.netns.asks_in_vain(Tcp, "10.88.1.3:80");
    one.netns.asks_in_vain(Tcp, "[fd00:88:1::3]:80");
    assert!(world.neighbour.ask(Tcp, "192.0.2.1:8080").is_some());
    world.host.sh("sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0");
    one.netns.asks_in_vain(Tcp, "10.88.1.3:80");
    assert!(one.netns.ask(Tcp, "192.0.2.1:8080").is_some());
}

/// Without br_netfilter frames between containers are none of the firewall's business.
#[test]
fn ports_are_reached_whether_or_not_bridged_frames_are_seen() {
    let world = World::new();
    world.host.sh("sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0");
    let network = Network::new("coracle0", 1, true);
    let ports = [
        port(Tcp, "0.0.0.0:8080", "10.88.1.2:80"),
        port(Tcp, "[::]:8080", "[fd00:88:1::2]:80"),
        port(Tcp, "127.0.0.1:8081", "10.88.1.2:80"),
    ];
    let web = world.container("web", &[&network], 2, &ports);
    let peer = world.container("peer", &[&network], 3, &[]);
    web.netns.serve_tcp("[::]:80");
    for address in ["192.0.2.1:8080", "10.88.1.1:8080", "[2001:db8::1]:8080"] {
        let gateway = if address.contains('[') { "fd00:88:1::1" } else { "10.88.1.1" };
        for netns in [&web.netns, &peer.netns] {
            assert_eq!(netns.ask(Tcp, address).as_deref(), Some(gateway), "{address}");
        }
    }
    assert!(world.neighbour.ask(Tcp, "192.0.2.1:8080").is_some());
    assert!(world.host.ask(Tcp, "127.0.0.1:8081").is_some());
    assert_eq!(peer.netns.ask(Tcp, "10.88.1.2:80").as_deref(), Some("10.88.1.3"));
}

/// A flow of UDP outlives the container that it led to, if nobody ends it.
#[test]
fn datagrams_find_the_container_that_came_after() {
    let world = World::new();
    let network = Network::new("coracle0", 1, false);
    let first = world.container("first", &[&network], 2, &[port(Udp, "0.0.0.0:5353", "10.88.1.2:53")]);
    first.netns.serve_udp("0.0.0.0:53");
    let asking = world.neighbour.run(|| {
        let socket = std::net::UdpSocket::bind("192.0.2.2:4000").unwrap();
        socket.connect("192.0.2.1:5353").unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(1))).unwrap();
        socket
    });
    let ask = || {
        asking.send(b"x").unwrap();
        asking.recv(&mut [0; 64]).is_ok()
    };
    assert!(ask());
    world.disconnect(first);
    let second = world.container("second", &[&network], 3, &[port(Udp, "0.0.0.0:5353", "10.88.1.3:53")]);
    second.netns.serve_udp("0.0.0.0:53");
    assert!(ask() || ask(), "the flow still leads to the container that is gone");
}
