//! Others take things away; they come back, and connections live on.

use std::time::Duration;

use network::Protocol::Tcp;
use network::Watch;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::world::{Container, Network, World, port};

struct Stage {
    world: World,
    web: Container,
    peer: Container,
}

impl Stage {
    fn new() -> Self {
        let world = World::new();
        let network = Network::new("coracle0", 1, true);
        let ports = [port(Tcp, "0.0.0.0:8080", "10.88.1.2:80"), port(Tcp, "[::]:8080", "[fd00:88:1::2]:80")];
        let web = world.container("web", &[&network], 2, &ports);
        let peer = world.container("peer", &[&network], 3, &[]);
        web.netns.serve_tcp("[::]:80");
        Self { world, web, peer }
    }

    fn faults(&self) -> String {
        let faults = self.world.fabric.faults().unwrap();
        faults.iter().map(|fault| format!("{}\n", fault.what)).collect()
    }

    /// Breaks something; expects that it is named and mended, and that connections live on.
    fn mends(&self, damage: &str, named: &str) {
        assert_eq!(self.faults(), "", "before {damage}");
        let mut outside = self.world.neighbour.talk("192.0.2.1:8080");
        let mut outside6 = self.world.neighbour.talk("[2001:db8::1]:8080");
        let mut inside = self.peer.netns.talk("192.0.2.1:8080");
        let mut all = [&mut outside, &mut outside6, &mut inside];
        all.iter_mut().for_each(|talk| assert!(talk.say("before").is_some()));
        let watch = Watch::open().unwrap();
        self.world.host.sh(damage);
        let mut polled = watch.fds().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        assert!(
            poll(&mut polled, Some(&Duration::from_secs(1).try_into().unwrap())).unwrap() > 0,
            "{damage}"
        );
        watch.drain();
        let faults = self.faults();
        assert!(faults.contains(named), "{damage}: {named} is not in {faults}");
        self.world.fabric.restore().unwrap();
        assert_eq!(self.faults(), "", "after {damage}");
        for (number, talk) in all.iter_mut().enumerate() {
            assert!(talk.say("after").is_some(), "connection {number} after {damage}");
        }
        assert!(self.world.neighbour.ask(Tcp, "192.0.2.1:8080").is_some(), "{damage}");
        assert!(self.peer.netns.ask(Tcp, "[2001:db8::1]:8080").is_some(), "{damage}");
        assert!(self.peer.netns.ask(Tcp, "10.88.1.2:80").is_some(), "{damage}");
        self.world.neighbour.asks_in_vain(Tcp, "10.88.1.2:80");
    }

    fn table(&self) -> String {
        let ruleset = self.world.ruleset();
        let line = ruleset.lines().find(|line| line.starts_with("table inet coracle")).unwrap();
        line.split(' ').nth(2).unwrap().to_owned()
    }
}

#[test]
fn flushed_tables_come_back() {
    let stage = Stage::new();
    let table = stage.table();
    stage.mends("nft flush ruleset", "lack rules");
    stage.mends(&format!("nft delete table inet {table}"), "lack rules");
    stage.mends(&format!("nft flush table bridge {table}"), "lack rules");
    stage.mends(&format!("nft flush chain inet {table} forward"), "lack rules");
    stage.mends(&format!("nft flush set inet {table} bridges"), "lack rules");
    let rule = format!("nft insert rule inet {table} forward oifname \"coracle0\" accept");
    stage.mends(&rule, "lack rules");
}

#[test]
fn a_deleted_bridge_comes_back_with_its_ports() {
    let stage = Stage::new();
    stage.mends("ip link del coracle0", "bridge `coracle0` is gone");
    stage.mends("ip link set coracle0 down", "bridge `coracle0` is down");
    stage.mends("ip addr del 10.88.1.1/24 dev coracle0", "bridge `coracle0` has lost an address");
    let end = network::host_interface("web", "network1");
    stage.mends(&format!("ip link set {end} nomaster"), "container `web` is cut off");
}

#[test]
fn forwarding_is_switched_on_again() {
    let stage = Stage::new();
    stage.mends("sysctl -qw net.ipv4.ip_forward=0", "IPv4 of bridge `coracle0` is not forwarded");
    // Switching IPv6 off takes the switches of all interfaces along.
    stage.mends(
        "sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv6.conf.all.forwarding=0",
        "IPv6 of bridge `coracle0` is not forwarded",
    );
}

/// The host may go on to learn its own routes: forwarding does not make it a router.
#[test]
fn forwarding_leaves_the_hosts_own_addresses_alone() {
    let stage = Stage::new();
    let shown =
        stage.world.host.sh("sysctl -n net.ipv6.conf.eth0.forwarding net.ipv6.conf.coracle0.accept_ra");
    assert_eq!(shown.split_whitespace().collect::<Vec<_>>(), ["0", "0"]);
}

#[test]
fn the_next_start_mends_too() {
    let stage = Stage::new();
    let Stage { world, web, .. } = &stage;
    world.host.sh("nft flush ruleset; ip link del coracle0");
    let network = Network::new("coracle0", 1, true);
    let third = world.container("third", &[&network], 4, &[]);
    world.host.asks_in_vain(Tcp, "10.88.1.2:80");
    world.fabric.restore().unwrap();
    assert!(world.neighbour.ask(Tcp, "192.0.2.1:8080").is_some());
    assert!(third.netns.ask(Tcp, &format!("{}:80", web.ip(true))).is_some());
    let explained = world.fabric.explain(&web.ports[0]).unwrap().join("\n");
    assert!(explained.contains("lets it through to `coracle0`"), "{explained}");
}

#[test]
fn looking_changes_nothing_and_removing_leaves_nothing() {
    let stage = Stage::new();
    let watch = Watch::open().unwrap();
    for _ in 0..20 {
        stage.world.fabric.restore().unwrap();
    }
    let mut polled = watch.fds().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
    assert_eq!(poll(&mut polled, Some(&Timespec::default())).unwrap(), 0, "somebody was told of a change");
    let Stage { world, web, peer } = stage;
    assert_eq!(world.fabric.bridges().unwrap(), ["coracle0"]);
    world.disconnect(web);
    world.disconnect(peer);
    let network = Network::new("coracle0", 1, true);
    world.fabric.remove(&network.rules).unwrap();
    assert_eq!(world.ruleset(), "");
    assert!(!world.host.sh("ip link").contains("coracle"));
    world.fabric.remove(&network.rules).unwrap();
    assert_eq!(world.fabric.faults().unwrap(), []);
    assert_eq!(world.fabric.bridges().unwrap(), Vec::<String>::new());
}
