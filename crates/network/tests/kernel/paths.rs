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
