//! Many containers, at once or after each other, and those that were killed half way.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use network::Protocol::{Tcp, Udp};
use network::{Connection, Error};

use crate::world::{Container, Netns, Network, World, port};

#[test]
fn a_full_bridge_is_joined_by_another() {
    let world = World::new().with_ports_max(2);
    // As in a container whose sysfs is that of the machine.
    world.host.sh("umount /sys");
    let network = Network::new("coracle0", 1, true);
    let containers: Vec<Container> = (2..8)
        .map(|number| {
            let ports = [port(Tcp, &format!("0.0.0.0:80{number:02}"), &format!("10.88.1.{number}:80"))];
            let container = world.container(&format!("c{number}"), &[&network], number, &ports);
            container.netns.serve_tcp("[::]:80");
            container
        })
        .collect();
    assert!(world.host.sh("ip -br link").contains("coracleb"), "{}", world.host.sh("ip -br link"));
    world.neighbour.serve_tcp("[::]:80");
    reach_each_other(&world, &containers);
    world.host.sh("sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0");
    reach_each_other(&world, &containers);
    assert_eq!(world.fabric.faults().unwrap(), []);
    world.host.sh("sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1");
    for damage in ["nft flush ruleset", "ip link del coracle0", "ip link del coraclea"] {
        world.host.sh(damage);
        world.fabric.restore().unwrap();
        assert_eq!(world.fabric.faults().unwrap(), [], "{damage}");
        reach_each_other(&world, &containers);
    }
    for container in containers {
        world.disconnect(container);
    }
    world.fabric.remove(&network.rules).unwrap();
    let links = world.host.sh("ip -br link");
    assert!(!links.contains("coracle") && !links.contains("crj"), "{links}");
}

/// The first speaks with all others, and all with the world.
fn reach_each_other(world: &World, containers: &[Container]) {
    let first = &containers[0].netns;
    for (at, container) in containers.iter().enumerate() {
        let number = at + 2;
        let address = container.ip(true);
        if at > 0 {
            assert_eq!(first.ask(Tcp, &format!("{address}:80")).as_deref(), Some("10.88.1.2"), "{number}");
            assert!(first.ask(Tcp, &format!("[{}]:80", container.ip(false))).is_some(), "{number}");
        }
        let published = format!("192.0.2.1:80{number:02}");
        assert!(first.ask(Tcp, &published).is_some(), "the first to {number}");
        assert!(container.netns.ask(Tcp, &published).is_some(), "{number} to itself");
        assert!(containers[5].netns.ask(Tcp, &published).is_some(), "the last to {number}");
        assert_eq!(world.neighbour.ask(Tcp, &published).as_deref(), Some("192.0.2.2"), "{number}");
        assert!(world.host.ask(Tcp, &format!("127.0.0.1:80{number:02}")).is_some(), "{number}");
        let seen = container.netns.ask(Tcp, "192.0.2.2:80");
        assert_eq!(seen.as_deref(), Some("192.0.2.1"), "{number} to the neighbour");
    }
}

#[test]
fn bridges_of_containers_kept_apart_are_not_joined() {
    let world = World::new().with_ports_max(1);
    let network = Network::new("coracle0", 1, false).apart();
    // Its port goes with its namespace.
    let _one = world.container("one", &[&network], 2, &[]);
    let two = network.endpoint("two", 3, "eth0", true);
    world.publish(std::slice::from_ref(&two), &[]);
    let netns = Netns::new();
    let endpoints = [two];
    let connection = Connection { endpoints: &endpoints, ports: &[], resolver_port: None };
    let error = world.fabric.connect(&connection, netns.as_fd()).unwrap_err();
    assert!(matches!(error, Error::BridgeFull { .. }), "{error}");
    assert_eq!(error.to_string(), "bridge `coracle0` is full: it takes no more than 1,023 containers");
    assert!(!world.ruleset().contains(&network::host_interface("two", "network1")));
}

#[test]
fn what_a_killed_start_has_left_is_replaced() {
    let world = World::new();
    let network = Network::new("coracle0", 1, false);
    let first = world.container("web", &[&network], 2, &[port(Udp, "0.0.0.0:53", "10.88.1.2:53")]);
    // The same container with another address, and nobody has taken the old one off.
    let again = world.container("web", &[&network], 3, &[port(Udp, "0.0.0.0:53", "10.88.1.3:53")]);
    again.netns.serve_udp("0.0.0.0:53");
    assert_eq!(first.netns.sh("ip link").matches("eth0").count(), 0);
    assert!(world.neighbour.ask(Udp, "192.0.2.1:53").is_some());
    assert_eq!(world.host.sh("ip link").matches("crc").count(), 1);
}

#[test]
fn sixteen_at_once_lose_nothing_while_tables_are_made_anew() {
    let world = World::new();
    let network = Network::new("coracle0", 1, true);
    let done = AtomicBool::new(false);
    let containers: Vec<Container> = std::thread::scope(|threads| {
        let flushing = threads.spawn(|| {
            world.host.run(|| {
                while !done.load(Ordering::Relaxed) {
                    crate::world::sh("nft flush ruleset");
                    world.fabric.restore().unwrap();
                }
            });
        });
        let starting: Vec<_> = (0..16u8)
            .map(|caller| {
                let (world, network) = (&world, &network);
                threads.spawn(move || {
                    world.host.run(|| {
                        let start = |turn: u8| {
                            let number = 2 + caller * 4 + turn;
                            let ports = [port(
                                Tcp,
                                &format!("0.0.0.0:{}", 9000 + u16::from(number)),
                                &format!("10.88.1.{number}:80"),
                            )];
                            world.container(&format!("c{number}"), &[network], number, &ports)
                        };
                        (0..4).map(start).collect::<Vec<_>>()
                    })
                })
            })
            .collect();
        let containers = starting.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        done.store(true, Ordering::Relaxed);
        flushing.join().unwrap();
        containers
    });
    world.fabric.restore().unwrap();
    let ruleset = world.ruleset();
    for container in &containers {
        let endpoint = &container.endpoints[0];
        let end = network::host_interface(&endpoint.container_id, &endpoint.network_id);
        // In `ports`, `macs`, `senders4`, and thrice in `senders6`.
        assert_eq!(ruleset.matches(&end).count(), 6, "{end}");
        assert!(ruleset.contains(&format!("tcp . {} : ", container.ports[0].host.port())), "{ruleset}");
    }
    std::thread::scope(|threads| {
        for container in containers {
            threads.spawn(|| world.host.run(|| world.disconnect(container)));
        }
    });
    let ruleset = world.ruleset();
    assert!(!ruleset.contains("crc") && !ruleset.contains("10.88"), "{ruleset}");
}

#[test]
fn a_failure_leaves_nothing() {
    let world = World::new();
    let network = Network::new("coracle0", 1, false);
    let mut endpoints = [network.endpoint("web", 2, "eth0", true)];
    // No route leads there.
    endpoints[0].gateways = vec!["203.0.113.1".parse().unwrap()];
    let ports = [port(Tcp, "0.0.0.0:8080", "10.88.1.2:80")];
    world.publish(&endpoints, &ports);
    let netns = Netns::new();
    let connection = Connection { endpoints: &endpoints, ports: &ports, resolver_port: None };
    let error = world.fabric.connect(&connection, netns.as_fd()).unwrap_err();
    assert!(error.to_string().starts_with("cannot set default route via 203.0.113.1"), "{error}");
    let left = world.ruleset() + &world.host.sh("ip link");
    assert!(!left.contains("crc") && !left.contains("10.88.1.2"), "{left}");
    assert!(!netns.sh("ip link").contains("eth0"));
}

/// What the kernel itself says of a bridge that is full; the one place where a limit is not made up.
#[test]
fn the_kernels_own_limit_is_met() {
    let world = World::new().with_ports_max(usize::MAX);
    let network = Network::new("coracle0", 1, false);
    let netns = Netns::new();
    for number in 0..1030u16 {
        let name = format!("c{number}");
        let [high, low] = number.to_be_bytes();
        let mut endpoint = network.endpoint(&name, 2, &format!("eth{number}"), false);
        endpoint.mac = network::Mac([2, 0x42, 10, 88, high, low]);
        endpoint.addresses = vec![format!("10.88.{}.{}/8", 100 + high, low).parse().unwrap()];
        let endpoints = [endpoint];
        world.publish(&endpoints, &[]);
        let connection = Connection { endpoints: &endpoints, ports: &[], resolver_port: None };
        world.fabric.connect(&connection, netns.as_fd()).unwrap();
    }
    let joined = world.host.sh("ip -o link show master coraclea").lines().count();
    // The first took 1,023, of which one gave its place to the connection; which has two ends.
    assert_eq!(joined, 1030 - 1023 + 1 + 1);
    // A transaction of more than a socket sends unasked.
    world.host.sh("nft flush ruleset");
    world.fabric.restore().unwrap();
    assert_eq!(world.ruleset().matches("crc").count(), 4 * 1030);
    let faults = world.fabric.faults().unwrap();
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn what_has_ended_is_swept_out_together_and_never_speaks_as_it_was() {
    let world = World::new();
    let network = Network::new("coracle0", 1, true);
    let state = world.fabric.state();
    for number in 2..5 {
        let container = world.container(&format!("c{number}"), &[&network], number, &[]);
        state
            .mark(&format!("c{number}"), "network1", network::Marker { names: true, internal: false })
            .unwrap();
        drop(container);
        state.retire(&format!("c{number}")).unwrap();
    }
    let known = |number: u8| world.ruleset().contains(&format!("10.88.1.{number}"));
    assert!((2..5).all(known), "{}", world.ruleset());
    assert!(state.endpoints("network1").unwrap().is_empty());
    world.fabric.sweep(4).unwrap();
    assert!((2..5).all(known), "not worth it yet");
    // Run again with another address, it has to be who it is now.
    let again = world.container("c3", &[&network], 7, &[]);
    assert!(known(7) && !known(3), "{}", world.ruleset());
    again.netns.serve_tcp("[::]:80");
    world.fabric.sweep(1).unwrap();
    assert!(known(7) && !known(2) && !known(4), "{}", world.ruleset());
    assert!(world.host.ask(Tcp, "10.88.1.7:80").is_some());
    assert_eq!(world.fabric.faults().unwrap(), []);
    world.disconnect(again);
}
