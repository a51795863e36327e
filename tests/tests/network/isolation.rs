//! Who does not reach whom: the LAN and a container's unpublished ports, networks among each other, `--internal`.

use tests::lan::{HOST, HOST6, NEIGHBOUR, WORLD, WORLD6};
use tests::{Echo, Transport, at, nobody_answers};

use super::Site;

#[test]
fn what_is_not_published_is_not_reached_from_outside_even_with_a_route() {
    let site = Site::new();
    site.network("dual", &["--ipv6"]);
    let inside = site.run("box", &["--network", "dual", "-p", "8080:80"]);
    let servers = [80, 81].map(|port| Echo::everywhere(&inside, port));
    let (address, address6) = (site.engine.address("box", "dual"), site.engine.address6("box", "dual"));
    site.lan.neighbour.ip(&format!("route add {address} via {HOST}\nroute add {address6} via {HOST6}"));
    // The neighbour stands where its packets get to the host.
    site.lan.neighbour.ask(Transport::Tcp, at(HOST, 8080));
    let neighbour = &site.lan.neighbour;
    let mut questions = Vec::new();
    for transport in Transport::BOTH {
        for address in [&address, &address6] {
            questions.extend([80, 81].map(|port| (neighbour, transport, at(address, port))));
        }
        questions.extend([HOST, HOST6].map(|address| (neighbour, transport, at(address, 80))));
        questions.extend([HOST, HOST6].map(|address| (neighbour, transport, at(address, 81))));
    }
    nobody_answers(&questions);
    // The host itself may.
    for port in [80, 81] {
        site.lan.host.ask(Transport::Tcp, at(&address, port));
        site.lan.host.ask(Transport::Udp, at(&address6, port));
    }
    drop(servers);
}

#[test]
fn networks_do_not_reach_each_other_but_for_published_ports() {
    let site = Site::new();
    site.network("one", &["--ipv6"]);
    site.network("two", &["--ipv6"]);
    let here = site.run("here", &["--network", "one"]);
    let plain = site.run("plain", &[]);
    let there = site.run("there", &["--network", "two", "-p", "8080:80"]);
    let server = Echo::everywhere(&there, 80);
    let mut questions = Vec::new();
    for transport in Transport::BOTH {
        for who in [&here, &plain] {
            questions.push((who, transport, site.direct("there", "two", 80)));
        }
        questions.push((&here, transport, site.direct6("there", "two", 80)));
    }
    nobody_answers(&questions);
    for who in [&here, &plain] {
        who.ask(Transport::Tcp, at(HOST, 8080));
        who.ask(Transport::Tcp, at(&site.gateway("two"), 8080));
    }
    drop(server);
}

#[test]
fn an_internal_network_leads_nowhere_and_nothing_comes_in() {
    let site = Site::new();
    let world = Echo::everywhere(&site.lan.world, 80);
    let home = Echo::everywhere(&site.lan.neighbour, 80);
    site.network("closed", &["--internal", "--ipv6"]);
    site.network("open", &[]);
    let one = site.run("one", &["--network", "closed", "-p", "8080:80"]);
    let two = site.run("two", &["--network", "closed"]);
    let outsider = site.run("outsider", &["--network", "open"]);
    let server = Echo::everywhere(&one, 80);
    for transport in Transport::BOTH {
        two.ask(transport, site.direct("one", "closed", 80));
        two.ask(transport, site.direct6("one", "closed", 80));
    }
    one.run("ip", &["route", "show", "default"]).ok().prints("");
    // A container that may change its routes finds no way either.
    let gateway = site.gateway("closed");
    one.ip(&format!("route add default via {gateway}"));
    let address = site.engine.address("one", "closed");
    site.lan.neighbour.ip(&format!("route add {address} via {HOST}"));
    let mut questions = vec![
        (&one, Transport::Tcp, at(WORLD, 80)),
        (&one, Transport::Udp, at(WORLD, 80)),
        (&one, Transport::Tcp, at(NEIGHBOUR, 80)),
        (&one, Transport::Tcp, at(WORLD6, 80)),
        (&outsider, Transport::Tcp, at(&address, 80)),
        (&site.lan.neighbour, Transport::Tcp, at(&address, 80)),
    ];
    for host in [HOST, HOST6] {
        questions.push((&site.lan.neighbour, Transport::Tcp, at(host, 8080)));
    }
    nobody_answers(&questions);
    drop((world, home, server));
}

#[test]
fn containers_of_a_network_without_talk_between_them_reach_the_world_alone() {
    let site = Site::new();
    let world = Echo::everywhere(&site.lan.world, 80);
    site.network("net", &["-o", "com.docker.network.bridge.enable_icc=false"]);
    let one = site.run("one", &["--network", "net"]);
    let two = site.run("two", &["--network", "net"]);
    let server = Echo::everywhere(&one, 80);
    let direct = site.direct("one", "net", 80);
    nobody_answers(&[(&two, Transport::Tcp, direct), (&two, Transport::Udp, direct)]);
    two.ask(Transport::Tcp, at(WORLD, 80));
    site.lan.host.ask(Transport::Tcp, direct);
    drop((world, server));
}

#[test]
fn what_listens_on_the_hosts_loopback_is_not_reached_from_a_container() {
    let site = Site::new();
    let inside = site.run("box", &["-p", "9999:9999"]);
    let private = Echo::start(&site.lan.host, at("127.0.0.1", 7000));
    let public = Echo::start(&site.lan.host, at("0.0.0.0", 7001));
    let gateway = site.gateway("bridge");
    // A route that sends loopback's addresses out, for who may change routes.
    inside.set_sysctl("ipv4/conf/all/route_localnet", "1");
    inside.ip(&format!(
        "route add 127.9.0.0/16 via {gateway} table 9\nrule add to 127.9.0.0/16 table 9 pref 1"
    ));
    inside.ip("rule add table local pref 2\nrule del table local pref 0");
    nobody_answers(&[
        (&inside, Transport::Tcp, at(&gateway, 7000)),
        (&inside, Transport::Udp, at(&gateway, 7000)),
        (&inside, Transport::Tcp, at(HOST, 7000)),
        (&inside, Transport::Udp, at("127.9.0.1", 7001)),
        (&inside, Transport::Tcp, at("127.9.0.1", 7001)),
    ]);
    inside.ask(Transport::Tcp, at(&gateway, 7001));
    drop((private, public));
}
