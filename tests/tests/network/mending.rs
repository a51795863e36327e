//! Somebody flushes the firewall, deletes a bridge, switches forwarding off: it is mended, or told.
//! CVE-2025-54388, CVE-2025-54410: what a reload opens must not stay open.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use rustix::process::{Pid, Signal, kill_process};
use tests::lan::{HOST, HOST6, WORLD};
use tests::{Echo, Lan, Namespace, Transport, at, eventually, nobody_answers};

use super::Site;

/// A container with a published port and one on loopback, a neighbour who knows the way to it, and a world.
struct Harbour {
    // Dropped first: who holds a namespace keeps its interfaces.
    _servers: [Echo; 2],
    inside: Namespace,
    other: Namespace,
    /// The firewall's tables of ours before anything was broken.
    tables: Vec<String>,
    site: Site,
}

fn tables(host: &Namespace) -> Vec<String> {
    let listed = host.run("nft", &["list", "tables"]).ok().stdout;
    let ours = listed.lines().filter(|line| line.contains("coracle")).map(str::to_owned);
    let mut ours = ours.collect::<Vec<String>>();
    ours.sort_unstable();
    ours
}

impl Harbour {
    #[track_caller]
    fn new() -> Self {
        let site = Site::new();
        site.network("net", &["--ipv6"]);
        site.network("far", &[]);
        let world = Echo::everywhere(&site.lan.world, 80);
        let inside = site.run("box", &["--network", "net", "-p", "8080:80", "-p", "127.0.0.1:8081:80"]);
        let server = Echo::everywhere(&inside, 80);
        let other = site.run("other", &["--network", "far"]);
        let address = site.engine.address("box", "net");
        site.lan.neighbour.ip(&format!("route add {address} via {HOST}"));
        let tables = tables(&site.lan.host);
        assert!(!tables.is_empty());
        let harbour = Self { site, inside, other, tables, _servers: [world, server] };
        assert!(harbour.is_open(), "it works before anything is broken");
        harbour.assert_closed();
        harbour
    }

    /// Whether all ways are open that should be, and all tables there: not every one is on the way of these.
    fn is_open(&self) -> bool {
        let (lan, direct) = (&self.site.lan, self.direct());
        tables(&lan.host) == self.tables
            && lan.neighbour.can_ask(at(HOST, 8080))
            && lan.neighbour.can_ask(at(HOST6, 8080))
            && lan.host.can_ask(at("127.0.0.1", 8081))
            && lan.host.can_ask(direct)
            && self.inside.can_ask(at(WORLD, 80))
            && self.other.can_ask(at(WORLD, 80))
            && self.inside.can_ask(at(HOST, 8080))
    }

    fn direct(&self) -> std::net::SocketAddr {
        self.site.direct("box", "net", 80)
    }

    /// Asserts that all ways are closed that should be.
    #[track_caller]
    fn assert_closed(&self) {
        let neighbour = &self.site.lan.neighbour;
        nobody_answers(&[
            (neighbour, Transport::Tcp, at(HOST, 8081)),
            (neighbour, Transport::Tcp, self.direct()),
            (neighbour, Transport::Udp, self.direct()),
            (&self.other, Transport::Tcp, self.direct()),
        ]);
    }

    #[track_caller]
    fn is_mended_after(&self, what: &str, breaks: impl Fn(&Namespace)) {
        for _ in 0..tests::rounds(2, 100) {
            breaks(&self.site.lan.host);
            eventually(&format!("all is well after: {what}"), || self.is_open());
            self.assert_closed();
        }
        self.site.engine.audit();
    }
}

#[test]
fn a_flushed_firewall_is_made_anew_and_connections_live_on() {
    let harbour = Harbour::new();
    let listener = harbour.inside.enter(|| TcpListener::bind("0.0.0.0:4000").unwrap());
    // One out of the container, which the host's address hides, and one in, to the published port.
    let far = harbour.site.lan.world.enter(|| TcpListener::bind(at(WORLD, 4000)).unwrap());
    let mut out = harbour.inside.enter(|| TcpStream::connect(at(WORLD, 4000)).unwrap());
    let mut far = far.accept().unwrap().0;
    drop(listener);
    harbour.is_mended_after("flush ruleset", |host| host.nft("flush ruleset"));
    for (from, to) in [(true, b'a'), (false, b'b')] {
        let (one, other) = if from { (&mut out, &mut far) } else { (&mut far, &mut out) };
        one.write_all(&[to]).unwrap();
        let mut got = [0];
        other.read_exact(&mut got).unwrap();
        assert_eq!(got, [to]);
    }
}

#[test]
fn each_of_our_tables_is_made_anew_when_it_goes_or_is_emptied() {
    let harbour = Harbour::new();
    for table in &harbour.tables {
        for verb in ["delete", "flush"] {
            harbour.is_mended_after(&format!("{verb} {table}"), |host| host.nft(&format!("{verb} {table}")));
        }
    }
}

#[test]
fn a_bridge_that_is_deleted_or_down_or_has_lost_a_port_is_made_anew() {
    let harbour = Harbour::new();
    let bridge = harbour.site.bridge("net");
    let port = || {
        let shown =
            harbour.site.lan.host.run("ip", &["-json", "link", "show", "master", &bridge]).ok().json();
        shown[0]["ifname"].as_str().expect("the container's port").to_owned()
    };
    harbour.is_mended_after("the bridge deleted", |host| host.ip(&format!("link delete {bridge}")));
    harbour.is_mended_after("the bridge down", |host| host.ip(&format!("link set {bridge} down")));
    harbour.is_mended_after("its port away", |host| host.ip(&format!("link set {} nomaster", port())));
    harbour.is_mended_after("its addresses gone", |host| host.ip(&format!("addr flush dev {bridge}")));
}

#[test]
fn forwarding_that_is_switched_off_is_switched_on() {
    let harbour = Harbour::new();
    harbour.is_mended_after("forwarding off", |host| host.set_sysctl("ipv4/ip_forward", "0"));
}

#[test]
fn whoever_mends_may_be_killed() {
    let harbour = Harbour::new();
    let engine = &harbour.site.engine;
    let supervisors = || {
        let pids = engine.containers().into_iter().map(|id| {
            let status = engine.run_root().join("containers").join(id).join("status");
            let status: serde_json::Value = serde_json::from_slice(&std::fs::read(status).unwrap()).unwrap();
            i32::try_from(status["supervisor"].as_i64().unwrap()).unwrap()
        });
        pids.collect::<Vec<i32>>()
    };
    for _ in 0..tests::rounds(3, 100) {
        for pid in supervisors() {
            let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
        }
        harbour.site.lan.host.nft("flush ruleset");
        eventually("all is well", || harbour.is_open());
        harbour.assert_closed();
    }
}

#[test]
fn what_was_broken_while_nothing_ran_is_mended_by_the_next_start() {
    let site = Site::new();
    site.network("net", &["--ipv6"]);
    site.run("box", &["--network", "net", "-p", "8080:80"]);
    for breaks in ["flush", "forward", "bridge"] {
        site.engine.run(&["stop", "-t", "0", "box"]).ok();
        match breaks {
            "flush" => site.lan.host.nft("flush ruleset"),
            "forward" => site.lan.host.set_sysctl("ipv4/ip_forward", "0"),
            _ => drop(site.lan.host.run("ip", &["link", "delete", &site.bridge("net")])),
        }
        site.engine.run(&["start", "box"]).ok();
        let inside = site.engine.inside("box");
        let server = Echo::everywhere(&inside, 80);
        site.lan.neighbour.ask(Transport::Tcp, at(HOST, 8080));
        site.engine.run(&["exec", "box", "ping", "-c", "1", WORLD]).ok();
        drop(server);
    }
}

#[test]
fn what_cannot_be_mended_is_told() {
    let lan = Lan::new();
    let site = Site::on(lan);
    site.run("box", &["-p", "8080:80"]);
    site.run("alone", &["--network", "none"]);
    site.engine.run(&["doctor"]).ok().stdout_lacks("obstacle");
    let stops = "type filter hook forward priority 5; policy drop;";
    site.lan.host.nft(&format!("table inet obstacle {{\nchain stops {{\n{stops}\n}}\n}}"));
    site.engine.run(&["doctor"]).stdout_has("obstacle");
    let status = |name: &str| {
        let filter = format!("name={name}");
        site.engine.run(&["ps", "--filter", &filter, "--format", "{{.Status}}"]).ok().stdout
    };
    eventually("ps tells", || status("box").contains("degraded"));
    assert!(!status("alone").contains("degraded"));
    site.lan.host.nft("delete table inet obstacle");
    eventually("ps tells no more", || !status("box").contains("degraded"));
    site.engine.run(&["doctor"]).ok().stdout_lacks("obstacle");
}
