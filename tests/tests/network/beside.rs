//! Beside other firewalls: Docker, ufw and firewalld drop what is forwarded, as their rules stand after a usual
//! installation. Ours must get through them, and leave them as they were.

use tests::lan::{HOST, HOST6, WORLD, WORLD6};
use tests::{Echo, Namespace, Transport, at, eventually, nobody_answers};

use super::Site;

/// What dockerd 28 writes by iptables-nft, for one family and one bridge.
const DOCKER: &str = r#"
table FAMILY filter {
    chain DOCKER {
        iifname != "docker0" oifname "docker0" counter drop
    }
    chain DOCKER-BRIDGE {
        oifname "docker0" counter jump DOCKER
    }
    chain DOCKER-CT {
        oifname "docker0" ct state related,established counter accept
    }
    chain DOCKER-ISOLATION-STAGE-2 {
        oifname "docker0" counter drop
    }
    chain DOCKER-ISOLATION-STAGE-1 {
        iifname "docker0" oifname != "docker0" counter jump DOCKER-ISOLATION-STAGE-2
    }
    chain DOCKER-FORWARD {
        counter jump DOCKER-CT
        counter jump DOCKER-ISOLATION-STAGE-1
        counter jump DOCKER-BRIDGE
        iifname "docker0" counter accept
    }
    chain DOCKER-USER {
    }
    chain FORWARD {
        type filter hook forward priority filter; policy drop;
        counter jump DOCKER-USER
        counter jump DOCKER-FORWARD
    }
}
table FAMILY nat {
    chain DOCKER {
        iifname "docker0" counter return
    }
    chain PREROUTING {
        type nat hook prerouting priority dstnat; policy accept;
        fib daddr type local counter jump DOCKER
    }
    chain OUTPUT {
        type nat hook output priority -100; policy accept;
        fib daddr type local counter jump DOCKER
    }
    chain POSTROUTING {
        type nat hook postrouting priority srcnat; policy accept;
        oifname != "docker0" iifname "docker0" counter masquerade
    }
}
"#;

/// What `ufw enable` writes by iptables-nft, for one family: incoming and forwarded packets are denied.
const UFW: &str = r#"
table FAMILY filter {
    chain ufw-user-input {
        tcp dport 22 counter accept
    }
    chain ufw-before-input {
        iifname "lo" counter accept
        ct state related,established counter accept
        ct state invalid counter drop
        meta l4proto { icmp, ipv6-icmp } counter accept
        counter jump ufw-user-input
    }
    chain ufw-user-forward {
    }
    chain ufw-before-forward {
        ct state related,established counter accept
        meta l4proto { icmp, ipv6-icmp } counter accept
        counter jump ufw-user-forward
    }
    chain ufw-after-forward {
    }
    chain ufw-reject-forward {
    }
    chain INPUT {
        type filter hook input priority filter; policy drop;
        counter jump ufw-before-input
    }
    chain FORWARD {
        type filter hook forward priority filter; policy drop;
        counter jump ufw-before-forward
        counter jump ufw-after-forward
        counter jump ufw-reject-forward
    }
    chain OUTPUT {
        type filter hook output priority filter; policy accept;
    }
}
"#;

/// What firewalld 1.3 writes with its nftables backend and the zone `public`.
const FIREWALLD: &str = r#"
table inet firewalld {
    chain filter_IN_public {
        tcp dport 22 accept
        meta l4proto { icmp, ipv6-icmp } accept
    }
    chain filter_INPUT_ZONES {
        iifname "eth0" goto filter_IN_public
        goto filter_IN_public
    }
    chain filter_INPUT {
        type filter hook input priority filter + 10; policy accept;
        ct state { established, related } accept
        ct status dnat accept
        iifname "lo" accept
        ct state invalid drop
        jump filter_INPUT_ZONES
        reject with icmpx admin-prohibited
    }
    chain filter_FWD_public {
        meta l4proto { icmp, ipv6-icmp } accept
    }
    chain filter_FORWARD_ZONES {
        iifname "eth0" goto filter_FWD_public
        goto filter_FWD_public
    }
    chain filter_FORWARD {
        type filter hook forward priority filter + 10; policy accept;
        ct state { established, related } accept
        ct status dnat accept
        iifname "lo" accept
        ct state invalid drop
        jump filter_FORWARD_ZONES
        reject with icmpx admin-prohibited
    }
    chain filter_OUTPUT {
        type filter hook output priority filter + 10; policy accept;
        ct state { established, related } accept
        oifname "lo" accept
    }
}
"#;

/// The rules for both families.
fn both(rules: &str) -> String {
    format!("{}{}", rules.replace("FAMILY", "ip"), rules.replace("FAMILY", "ip6"))
}

fn firewalls() -> [(&'static str, String); 3] {
    [("docker", both(DOCKER)), ("ufw", both(UFW)), ("firewalld", FIREWALLD.to_owned())]
}

/// Docker has a bridge of its own, and has bridged frames pass the firewall where the kernel can.
fn docker_was_here(host: &Namespace) {
    host.ip("link add docker0 type bridge\naddr add 172.17.0.1/16 dev docker0\nlink set docker0 up");
    host.enter(|| {
        for family in ["iptables", "ip6tables"] {
            let _ = std::fs::write(format!("/proc/sys/net/bridge/bridge-nf-call-{family}"), "1");
        }
    });
}

/// All rules as text, without what counters have counted.
#[track_caller]
fn rules(host: &Namespace) -> String {
    host.run("nft", &["--stateless", "list", "ruleset"]).ok().stdout
}

/// Two containers and all the ways that should be open and closed for them.
struct Ways<'a> {
    _servers: [Echo; 2],
    one: Namespace,
    two: Namespace,
    site: &'a Site,
}

impl<'a> Ways<'a> {
    #[track_caller]
    fn new(site: &'a Site) -> Self {
        site.network("net", &["--ipv6"]);
        let world = Echo::everywhere(&site.lan.world, 80);
        let one = site.run("one", &["--network", "net", "-p", "8080:80"]);
        let two = site.run("two", &["--network", "net"]);
        let server = Echo::everywhere(&one, 80);
        let address = site.engine.address("one", "net");
        site.lan.neighbour.ip(&format!("route replace {address} via {HOST}"));
        Self { site, one, two, _servers: [world, server] }
    }

    fn are_open(&self) -> bool {
        let neighbour = &self.site.lan.neighbour;
        neighbour.can_ask(at(HOST, 8080))
            && neighbour.can_ask(at(HOST6, 8080))
            && self.site.lan.host.can_ask(at("127.0.0.1", 8080))
            && [WORLD, WORLD6].iter().all(|world| self.two.can_ask(at(world, 80)))
            && self.two.can_ask(self.site.direct("one", "net", 80))
            && self.two.can_ask(self.site.direct6("one", "net", 80))
            && self.two.can_ask(at(HOST, 8080))
            && self.one.can_ask(at(HOST, 8080))
    }

    #[track_caller]
    fn assert_closed(&self) {
        let neighbour = &self.site.lan.neighbour;
        nobody_answers(&[
            (neighbour, Transport::Tcp, self.site.direct("one", "net", 80)),
            (neighbour, Transport::Udp, self.site.direct("one", "net", 80)),
        ]);
    }
}

#[test]
fn they_were_here_first_and_are_left_as_they_were() {
    for (name, set) in firewalls() {
        let site = Site::new();
        docker_was_here(&site.lan.host);
        site.lan.host.nft(&set);
        let before = rules(&site.lan.host);
        let ways = Ways::new(&site);
        assert!(ways.are_open(), "beside {name}: {}", rules(&site.lan.host));
        ways.assert_closed();
        site.engine.run(&["doctor"]).ok();
        drop(ways);
        assert_nothing_of_ours(&site);
        assert_eq!(rules(&site.lan.host), before);
    }
}

#[test]
fn they_come_and_reload_while_containers_run() {
    for (name, set) in firewalls() {
        let site = Site::new();
        docker_was_here(&site.lan.host);
        let ways = Ways::new(&site);
        assert!(ways.are_open());
        for round in 0..2 {
            // As a reload does: all of theirs goes and comes in one transaction.
            let tables: Vec<&str> = set.lines().filter(|line| line.starts_with("table ")).collect();
            let delete: String = tables
                .iter()
                .map(|line| line.trim_end_matches(" {"))
                .map(|table| format!("{table}\ndelete {table}\n"))
                .collect();
            site.lan.host.nft(&format!("{delete}{set}"));
            eventually(&format!("all ways are open beside {name}, round {round}"), || ways.are_open());
            ways.assert_closed();
        }
        drop(ways);
        assert_nothing_of_ours(&site);
    }
}

/// Asserts that their rules hold nothing of ours when no container is left.
#[track_caller]
fn assert_nothing_of_ours(site: &Site) {
    site.engine.run(&["rm", "-f", "one", "two"]).ok();
    site.engine.run(&["network", "prune", "-f"]).ok();
    let rules = rules(&site.lan.host);
    assert!(!rules.contains("coracle"), "{rules}");
}

#[test]
fn docker_comes_up_step_by_step_and_nothing_of_ours_stays_in_what_it_was() {
    // It makes the chain drop first, then its own one for others, then goes there.
    let site = Site::new();
    docker_was_here(&site.lan.host);
    let ways = Ways::new(&site);
    let drops = "type filter hook forward priority filter; policy drop;";
    site.lan.host.nft(&format!("table ip filter {{\nchain FORWARD {{\n{drops}\n}}\n}}"));
    eventually("all ways are open beside a chain that drops", || ways.are_open());
    site.lan.host.nft("add chain ip filter DOCKER-USER");
    eventually("ours are where others belong", || {
        site.lan.host.run("nft", &["list", "chain", "ip", "filter", "DOCKER-USER"]).stdout.contains("coracle")
    });
    site.lan.host.nft("insert rule ip filter FORWARD counter jump DOCKER-USER");
    eventually("all ways are open", || ways.are_open());
    ways.assert_closed();
    drop(ways);
    assert_nothing_of_ours(&site);
}

#[test]
fn their_own_refusals_stand() {
    // What passes ours is not let through by us where it is not ours to decide: another network behind the host.
    let site = Site::new();
    site.lan.host.nft(&both(DOCKER));
    let ways = Ways::new(&site);
    assert!(ways.are_open());
    let behind = Namespace::new();
    site.lan.host.ip(&format!(
        "link add behind type veth peer name eth0 netns {}\naddr add 10.7.7.1/24 dev behind\nlink set behind up",
        behind.path()
    ));
    behind.ip("addr add 10.7.7.2/24 dev eth0\nlink set eth0 up\nroute add default via 10.7.7.1");
    let server = Echo::everywhere(&behind, 80);
    site.lan.neighbour.ip(&format!("route add 10.7.7.0/24 via {HOST}"));
    site.lan.host.ask(Transport::Tcp, at("10.7.7.2", 80));
    nobody_answers(&[(&site.lan.neighbour, Transport::Tcp, at("10.7.7.2", 80))]);
    drop(server);
}
