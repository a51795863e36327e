//! Names: who is found under which on a network of the user's, what is asked elsewhere, and what happens when those
//! who answer are dead or killed.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use tests::dns::{self, A, AAAA, NO_ERROR, NO_SUCH_NAME, PTR, Upstream, reverse};
use tests::lan::{NEIGHBOUR, ROUTER, WORLD, WORLD6};
use tests::{Echo, Lan, Namespace, Transport, at, eventually};

use super::Site;

/// Addresses of a name.
#[track_caller]
fn addresses(inside: &Namespace, name: &str, kind: u16) -> Vec<String> {
    let answer = inside.lookup(name, kind);
    assert_eq!(answer.code, NO_ERROR, "{name}: {answer:?}");
    answer.records
}

#[test]
fn containers_are_found_by_every_name_they_have() {
    let site = Site::new();
    site.network("net", &["--ipv6"]);
    let flags =
        ["--network", "net", "--network-alias", "db", "--network-alias", "Data-Base", "--hostname", "boat"];
    site.run("server", &flags);
    let id = site.engine.inspect("server", "{{.Id}}");
    let inside = site.run("client", &["--network", "net"]);
    let (address, address6) = (site.engine.address("server", "net"), site.engine.address6("server", "net"));
    for name in ["server", "SERVER", "server.", "db", "data-base", &id[..12], "boat", "server.net", "db.net"]
    {
        assert_eq!(addresses(&inside, name, A), [address.as_str()], "{name}");
        assert_eq!(addresses(&inside, name, AAAA), [address6.as_str()], "{name}");
    }
    assert_eq!(inside.lookup_by_tcp("server", A).records, [address.as_str()]);
    for of in [&address, &address6] {
        let names = addresses(&inside, &reverse(of), PTR);
        assert!(names.iter().any(|name| name.starts_with("server")), "{names:?}");
    }
    // Oneself, too.
    assert_eq!(addresses(&inside, "client", A), [site.engine.address("client", "net")]);
    // And by the programs that people use.
    let exec = |words: &[&str]| site.engine.run(&[&["exec", "client"], words].concat()).ok();
    exec(&["ping", "-c", "1", "server"]);
    exec(&["nslookup", "db"]).stdout_has(&address);
    exec(&["cat", "/etc/resolv.conf"]).stdout_has("nameserver 127.0.0.11");
}

#[test]
fn a_name_without_an_address_of_the_family_is_still_a_name() {
    // Else a program that asks for IPv6 first would give up.
    let site = Site::new();
    site.network("net", &[]);
    site.run("server", &["--network", "net"]);
    let inside = site.run("client", &["--network", "net"]);
    assert!(addresses(&inside, "server", AAAA).is_empty());
}

#[test]
fn several_containers_under_one_name_are_all_told() {
    let site = Site::new();
    site.network("net", &[]);
    let names = ["one", "two", "three"];
    for name in names {
        site.run(name, &["--network", "net", "--network-alias", "all"]);
    }
    let inside = site.run("client", &["--network", "net"]);
    let mut expected: Vec<String> = names.iter().map(|name| site.engine.address(name, "net")).collect();
    expected.sort();
    assert_eq!(addresses(&inside, "all", A), expected);
    site.engine.run(&["rm", "-f", "two"]).ok();
    assert_eq!(addresses(&inside, "all", A).len(), 2);
}

#[test]
fn names_come_and_go_with_their_containers() {
    let lan = Lan::new();
    let upstream = lan.names(&[]);
    let site = Site::on(lan);
    site.network("net", &["--subnet", "10.9.8.0/24"]);
    let inside = site.run("client", &["--network", "net"]);
    assert_eq!(inside.lookup("server", A).code, NO_SUCH_NAME);
    site.run("server", &["--network", "net"]);
    assert_eq!(addresses(&inside, "server", A), [site.engine.address("server", "net")]);
    site.engine.run(&["stop", "-t", "0", "server"]).ok();
    assert_eq!(inside.lookup("server", A).code, NO_SUCH_NAME);
    site.run("thief", &["--network", "net"]);
    site.engine.run(&["start", "server"]).ok();
    assert_eq!(addresses(&inside, "server", A), [site.engine.address("server", "net")]);
    let pid = site.engine.inspect("server", "{{.State.Pid}}").parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    site.engine.run(&["wait", "server"]).ok();
    assert_eq!(inside.lookup("server", A).code, NO_SUCH_NAME);
    // A name that is given while the container runs, and taken again.
    site.network("second", &[]);
    site.engine.run(&["network", "connect", "second", "client"]).ok();
    site.engine.run(&["network", "connect", "--alias", "robber", "second", "thief"]).ok();
    assert_eq!(addresses(&inside, "robber", A), [site.engine.address("thief", "second")]);
    site.engine.run(&["network", "disconnect", "second", "thief"]).ok();
    assert_eq!(inside.lookup("robber", A).code, NO_SUCH_NAME);
    drop(upstream);
}

#[test]
fn names_of_another_network_are_not_told() {
    let lan = Lan::new();
    let upstream = lan.names(&[]);
    let site = Site::on(lan);
    site.network("one", &[]);
    site.network("two", &[]);
    site.run("server", &["--network", "two", "--network-alias", "db"]);
    site.run("plain", &[]);
    let inside = site.run("client", &["--network", "one"]);
    for name in ["server", "db", "server.two", "plain"] {
        assert_eq!(inside.lookup(name, A).code, NO_SUCH_NAME, "{name}");
    }
    let both = site.run("both", &["--network", "one", "--network", "two"]);
    assert_eq!(addresses(&both, "db", A), [site.engine.address("server", "two")]);
    assert_eq!(addresses(&both, "client", A), [site.engine.address("client", "one")]);
    drop(upstream);
}

#[test]
fn what_is_not_ours_is_asked_of_the_hosts_resolvers() {
    let lan = Lan::new();
    let many: Vec<String> = (1..=60).map(|n| format!("203.0.113.{n}")).collect();
    let mut zone = vec![("there.test", WORLD), ("there.test", WORLD6)];
    zone.extend(many.iter().map(|address| ("many.test", address.as_str())));
    let upstream = lan.names(&zone);
    let site = Site::on(lan);
    site.network("net", &[]);
    let inside = site.run("client", &["--network", "net"]);
    assert_eq!(addresses(&inside, "there.test", A), [WORLD]);
    assert_eq!(addresses(&inside, "there.test", AAAA), [WORLD6]);
    assert_eq!(inside.lookup_by_tcp("there.test", A).records, [WORLD]);
    assert_eq!(inside.lookup("elsewhere.test", A).code, NO_SUCH_NAME);
    assert!(addresses(&inside, "there.test", PTR).is_empty());
    // An answer that does not fit a datagram is asked for again by TCP, by the resolver and by who asked.
    assert!(inside.lookup("many.test", A).truncated);
    assert_eq!(inside.lookup_by_tcp("many.test", A).records.len(), 60);
    let asked = upstream.asked();
    for name in ["there.test", "elsewhere.test", "many.test"] {
        assert!(asked.iter().any(|known| known == name), "{name} in {asked:?}");
    }
    assert!(!asked.iter().any(|name| name == "client"), "{asked:?}");
    // The default network has no names of its own; its containers ask the same servers.
    let plain = ["run", "--rm", &site.image, "nslookup", "there.test"];
    site.engine.run(&plain).ok().stdout_has(WORLD);
    let shown = ["run", "--rm", &site.image, "cat", "/etc/resolv.conf"];
    site.engine.run(&shown).ok().stdout_has(&format!("nameserver {ROUTER}"));
}

#[test]
fn servers_that_are_dead_do_not_stand_in_the_way() {
    // Nobody there, somebody who takes questions and says nothing, somebody who refuses; the third is the last that
    // resolvers read (resolv.conf(5)).
    for others in [["198.51.100.99", NEIGHBOUR], [NEIGHBOUR, WORLD]] {
        let lan = Lan::new();
        let dead = Upstream::dead(&lan.neighbour, &[NEIGHBOUR]);
        let upstream = lan.names(&[("there.test", WORLD)]);
        let site = Site::on(lan.asking(&[others[0], others[1], ROUTER]));
        site.network("net", &[]);
        let inside = site.run("client", &["--network", "net"]);
        for _ in 0..20 {
            assert_eq!(addresses(&inside, "there.test", A), [WORLD]);
            assert_eq!(inside.lookup_by_tcp("there.test", A).records, [WORLD]);
        }
        assert!(!dead.asked().is_empty(), "it was asked as well");
        drop(upstream);
    }
}

#[test]
fn when_nobody_answers_the_failure_is_told() {
    let lan = Lan::new();
    let dead = Upstream::dead(&lan.router, &[ROUTER]);
    let site = Site::on(lan);
    site.network("net", &[]);
    let inside = site.run("client", &["--network", "net"]);
    assert_eq!(inside.lookup("there.test", A).code, dns::SERVER_FAILURE);
    assert_eq!(addresses(&inside, "client", A), [site.engine.address("client", "net")]);
    drop(dead);
}

#[test]
fn a_resolver_on_the_hosts_loopback_is_asked_for_containers_of_every_network() {
    let lan = Lan::new();
    let upstream = Upstream::start(&lan.host, &["127.0.0.53"], &[("there.test", WORLD)]);
    let site = Site::on(lan.asking(&["127.0.0.53"]));
    site.network("net", &[]);
    for flags in [&["--network", "net"][..], &[]] {
        let words = [&["run", "--rm"], flags, &[&site.image, "nslookup", "there.test"]].concat();
        site.engine.run(&words).ok().stdout_has(WORLD);
    }
    drop(upstream);
}

#[test]
fn servers_that_a_container_asks_for_are_asked_from_inside() {
    let lan = Lan::new();
    let own = Upstream::start(&lan.world, &[WORLD], &[("own.test", WORLD6), ("host.deep.test", WORLD)]);
    let upstream = lan.names(&[]);
    let site = Site::on(lan);
    site.network("net", &[]);
    let flags = ["--dns", WORLD, "--dns-search", "deep.test", "--dns-option", "timeout:3"];
    let inside = site.run("client", &[&["--network", "net"], &flags[..]].concat());
    assert_eq!(addresses(&inside, "own.test", AAAA), [WORLD6]);
    let conf = site.engine.run(&["exec", "client", "cat", "/etc/resolv.conf"]).ok();
    conf.stdout_has("nameserver 127.0.0.11").stdout_has("search deep.test").stdout_has("timeout:3");
    let words = [&["run", "--rm"], &flags[..], &[&site.image, "cat", "/etc/resolv.conf"]].concat();
    let conf = site.engine.run(&words).ok().stdout_has(&format!("nameserver {WORLD}\n"));
    conf.stdout_has("search deep.test").stdout_has("timeout:3").stdout_lacks("127.0.0.11");
    let words = [&["run", "--rm"], &flags[..], &[&site.image, "ping", "-c", "1", "host"]].concat();
    site.engine.run(&words).ok().stdout_has(WORLD);
    // The host's own servers were not asked.
    assert!(!own.asked().is_empty());
    assert_eq!(upstream.asked(), Vec::<String>::new());
}

#[test]
fn a_program_that_serves_names_itself_lives_beside_the_resolver() {
    let site = Site::new();
    site.network("net", &[]);
    let inside = site.run("server", &["--network", "net"]);
    let client = site.run("client", &["--network", "net"]);
    let server = Echo::start(&inside, at("0.0.0.0", 53));
    for transport in Transport::BOTH {
        client.ask(transport, site.direct("server", "net", 53));
    }
    assert_eq!(addresses(&inside, "client", A), [site.engine.address("client", "net")]);
    assert_eq!(inside.lookup_by_tcp("client", A).code, NO_ERROR);
    drop(server);
}

#[test]
fn names_are_answered_again_after_the_supervisor_was_killed() {
    let site = Site::new();
    site.network("net", &[]);
    let inside = site.run("client", &["--network", "net"]);
    let id = site.engine.inspect("client", "{{.Id}}");
    let status = site.engine.run_root().join("containers").join(id).join("status");
    let supervisor = || {
        let status: serde_json::Value = serde_json::from_slice(&fs::read(&status).unwrap()).unwrap();
        i32::try_from(status["supervisor"].as_i64().unwrap()).unwrap()
    };
    for _ in 0..3 {
        let before = supervisor();
        kill_process(Pid::from_raw(before).unwrap(), Signal::KILL).unwrap();
        eventually("another supervisor took over", || supervisor() != before);
        // Its sockets were the last one's: a question that came meanwhile waits there.
        assert_eq!(addresses(&inside, "client", A), [site.engine.address("client", "net")]);
        assert_eq!(inside.lookup_by_tcp("client", A).code, NO_ERROR);
    }
}
