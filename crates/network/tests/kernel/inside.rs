//! What else is inside: names, neighbours of the host's own network, namespaces given by a process.

use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::time::Duration;

use network::Protocol::Tcp;
use network::{Connection, Error, Link, MacvlanMode, has_interface, host_routes};

use crate::world::{Netns, Network, World};

#[test]
fn questions_go_to_the_resolver_and_port_53_is_free() {
    let world = World::new();
    let network = Network::new("coracle0", 1, false);
    let endpoints = [network.endpoint("web", 2, "eth0", true)];
    world.publish(&endpoints, &[]);
    let netns = Netns::new();
    for port in [4053, 4054] {
        // The second time as after the kill of a supervisor.
        netns.serve_udp(&format!("127.0.0.11:{port}"));
        netns.serve_tcp(&format!("127.0.0.11:{port}"));
        let connection = Connection { endpoints: &endpoints, ports: &[], resolver_port: Some(port) };
        world.fabric.connect(&connection, netns.as_fd()).unwrap();
        assert!(netns.ask(Tcp, "127.0.0.11:53").is_some());
        netns.run(|| {
            let asking = UdpSocket::bind("0.0.0.0:0").unwrap();
            asking.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            asking.send_to(b"x", "127.0.0.11:53").unwrap();
            let (_, from) = asking.recv_from(&mut [0; 64]).unwrap();
            assert_eq!(from.to_string(), "127.0.0.11:53");
        });
    }
    assert_eq!(netns.sh("nft list ruleset").matches("dport 53").count(), 2);
    netns.serve_tcp("0.0.0.0:53");
    netns.serve_udp("0.0.0.0:53");
    assert!(netns.ask(Tcp, "10.88.1.2:53").is_some());
    assert!(netns.ask(Tcp, "127.0.0.11:53").is_some());
}

#[test]
fn a_container_beside_an_interface_of_the_host() {
    let world = World::new();
    world.neighbour.serve_tcp("[::]:80");
    let mut endpoint = Network::new("unused", 1, false).endpoint("web", 2, "eth0", true);
    endpoint.link = Link::Macvlan { parent: "eth0".into(), mode: MacvlanMode::Bridge };
    endpoint.addresses = vec!["192.0.2.50/24".parse().unwrap()];
    endpoint.gateways = vec!["192.0.2.2".parse().unwrap()];
    endpoint.mac = "02:42:c0:00:02:32".parse().unwrap();
    let netns = Netns::new();
    for _ in 0..2 {
        let endpoints = [endpoint.clone()];
        let connection = Connection { endpoints: &endpoints, ports: &[], resolver_port: None };
        world.fabric.connect(&connection, netns.as_fd()).unwrap();
        assert_eq!(netns.ask(Tcp, "192.0.2.2:80").as_deref(), Some("192.0.2.50"));
    }
    assert!(!netns.sh("ip addr show eth0").contains("inet6"));
    assert_eq!(world.ruleset(), "");
    endpoint.link = Link::Macvlan { parent: "eth7".into(), mode: MacvlanMode::Bridge };
    let endpoints = [endpoint];
    let connection = Connection { endpoints: &endpoints, ports: &[], resolver_port: None };
    let error = world.fabric.connect(&connection, Netns::new().as_fd()).unwrap_err();
    assert!(matches!(error, Error::ParentMissing { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "network `network1` has no parent: there is no interface `eth7` on this host"
    );
}

#[test]
fn a_namespace_may_be_that_of_a_process() {
    let world = World::new();
    let network = Network::new("coracle0", 1, false);
    let other = Network::new("coracle-other00", 2, true);
    let endpoints = [network.endpoint("web", 2, "eth0", true), other.endpoint("web", 2, "eth1", false)];
    world.publish(&endpoints, &[]);
    let inner = Netns::new();
    let mut sleeper = inner.run(|| std::process::Command::new("/bin/sleep").arg("60").spawn().unwrap());
    let pidfd = sys::process::open_pidfd(sleeper.id().cast_signed()).unwrap();
    let connection = Connection { endpoints: &endpoints, ports: &[], resolver_port: None };
    world.fabric.connect(&connection, pidfd.as_fd()).unwrap();
    let shown = inner.sh("ip -br addr");
    assert!(shown.contains("10.88.1.2/24") && shown.contains("fd00:88:2::2/64"), "{shown}");
    assert!(world.host.sh("ip -br addr").contains("192.0.2.1/24"), "we are back where we came from");
    // One network less, while it runs.
    world.fabric.disconnect(&endpoints[1..], &[]).unwrap();
    assert!(!inner.sh("ip link").contains("eth1"));
    assert!(inner.sh("ip link").contains("eth0"));
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
}

#[test]
fn ipv6_that_is_switched_off_inside_stays_off() {
    let world = World::new();
    let endpoints = [Network::new("coracle0", 1, true).endpoint("web", 2, "eth0", true)];
    world.publish(&endpoints, &[]);
    let netns = Netns::new();
    netns.sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
    let connection = Connection { endpoints: &endpoints, ports: &[], resolver_port: None };
    world.fabric.connect(&connection, netns.as_fd()).unwrap();
    let shown = netns.sh("ip addr; ip route");
    assert!(shown.contains("10.88.1.2/24") && shown.contains("default via 10.88.1.1"), "{shown}");
    assert!(!shown.contains("inet6"), "{shown}");
}

#[test]
fn the_hosts_routes_are_told() {
    let world = World::new();
    world.host.sh("ip route add 10.1.0.0/16 via 192.0.2.2; ip route add default via 192.0.2.2; ip route add 2001:db8:1::/48 via 2001:db8::2");
    let routes: Vec<String> = host_routes()
        .unwrap()
        .into_iter()
        .map(|route| format!("{} {}", route.destination, route.interface))
        .collect();
    for wanted in ["192.0.2.0/24 eth0", "10.1.0.0/16 eth0", "2001:db8::/64 eth0", "2001:db8:1::/48 eth0"] {
        assert!(routes.iter().any(|route| route == wanted), "{wanted} is not in {routes:?}");
    }
    assert_eq!(routes.len(), 4, "{routes:?}");
    assert!(has_interface("eth0") && !has_interface("eth7"));
}
