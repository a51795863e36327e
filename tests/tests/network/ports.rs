//! Published ports: who reaches them, as whom, which ports of the host they take, and from whom they are refused.

use std::net::{TcpListener, UdpSocket};

use tests::lan::{HOST, HOST6, NEIGHBOUR, NEIGHBOUR6, WORLD, WORLD6};
use tests::{Echo, Transport, at, nobody_answers};

use super::Site;

#[test]
fn a_published_port_is_reached_from_everywhere_and_the_source_is_kept() {
    let site = Site::new();
    let (host, neighbour, world) = (&site.lan.host, &site.lan.neighbour, &site.lan.world);
    site.network("dual", &["--ipv6"]);
    let inside = site.run("box", &["--network", "dual", "-p", "8080:80", "-p", "8080:80/udp"]);
    let server = Echo::everywhere(&inside, 80);
    let other = site.run("other", &["--network", "dual"]);
    let stranger = site.run("stranger", &[]);
    for transport in Transport::BOTH {
        assert_eq!(neighbour.ask(transport, at(HOST, 8080)).to_string(), NEIGHBOUR);
        assert_eq!(neighbour.ask(transport, at(HOST6, 8080)).to_string(), NEIGHBOUR6);
        assert_eq!(world.ask(transport, at(HOST, 8080)).to_string(), WORLD);
        assert_eq!(world.ask(transport, at(HOST6, 8080)).to_string(), WORLD6);
        // From the host itself, by every address it has.
        for address in ["127.0.0.1", "127.1.2.3", HOST, HOST6, &site.gateway("dual")] {
            host.ask(transport, at(address, 8080));
        }
        // From containers: of the same network, of another one, and the container itself.
        for address in [HOST, HOST6, &site.gateway("dual")] {
            other.ask(transport, at(address, 8080));
            inside.ask(transport, at(address, 8080));
        }
        stranger.ask(transport, at(HOST, 8080));
        stranger.ask(transport, at(&site.gateway("bridge"), 8080));
    }
    host.ask(Transport::Tcp, at("::1", 8080));
    drop(server);
}

#[test]
fn a_container_without_ipv6_is_reached_in_both_families_by_tcp() {
    let site = Site::new();
    let inside = site.run("box", &["-p", "8080:80"]);
    // It has no IPv6 to listen on.
    let server = Echo::start(&inside, at("0.0.0.0", 80));
    assert_eq!(site.lan.neighbour.ask(Transport::Tcp, at(HOST, 8080)).to_string(), NEIGHBOUR);
    site.lan.neighbour.ask(Transport::Tcp, at(HOST6, 8080));
    site.lan.world.ask(Transport::Tcp, at(HOST6, 8080));
    site.lan.host.ask(Transport::Tcp, at("::1", 8080));
    site.lan.host.ask(Transport::Tcp, at("127.0.0.1", 8080));
    drop(server);
}

#[test]
fn with_the_hosts_firewall_its_input_rules_decide_who_reaches_a_port() {
    let site = Site::new();
    let (host, neighbour, world) = (&site.lan.host, &site.lan.neighbour, &site.lan.world);
    let config = site.engine.base().join("config.toml");
    std::fs::write(&config, "# published ports obey the rules of this machine\nfirewall = \"host\"\n")
        .unwrap();
    let flags =
        ["--detach", "--name", "box", "-p", "8080:80", "-p", "8080:80/udp", "-p", "127.0.0.1:8081:80"];
    let waits = [site.image.as_str(), "sleep", "1000"];
    let run = [&["--config-file", config.to_str().unwrap(), "run"], &flags[..], &waits].concat();
    site.engine.run(&run).ok();
    let inside = site.engine.inside("box");
    let server = Echo::everywhere(&inside, 80);
    let other = site.run("other", &[]);
    let gateway = site.gateway("bridge");
    host.nft(&format!(
        "table inet own {{\nchain input {{\ntype filter hook input priority 0; policy accept\n\
         ct state established,related accept\nip saddr {NEIGHBOUR} accept\niifname lo accept\n\
         iifname \"coracle*\" accept\nmeta l4proto {{ tcp, udp }} th dport 8080 drop\n}}\n}}",
    ));
    for transport in Transport::BOTH {
        // Who is let in is seen as the gateway: the connection ended at the host.
        assert_eq!(neighbour.ask(transport, at(HOST, 8080)).to_string(), gateway);
        host.ask(transport, at("127.0.0.1", 8080));
        other.ask(transport, at(HOST, 8080));
        inside.ask(transport, at(HOST, 8080));
    }
    host.ask(Transport::Tcp, at("127.0.0.1", 8081));
    let questions = [
        (world, Transport::Tcp, at(HOST, 8080)),
        (world, Transport::Udp, at(HOST, 8080)),
        (neighbour, Transport::Tcp, at(HOST, 8081)),
    ];
    nobody_answers(&questions);
    let why = site.engine.run(&["port", "--why", "box"]).ok().stdout;
    assert!(why.contains("the host's own INPUT rules decide"), "{why}");
    assert!(site.engine.run(&["port", "box", "80/tcp"]).ok().stdout.contains("0.0.0.0:8080"));
    // The next start asks the file anew.
    site.engine.run(&["restart", "--timeout", "0", "box"]).ok();
    drop(server);
    let server = Echo::everywhere(&site.engine.inside("box"), 80);
    assert_eq!(world.ask(Transport::Tcp, at(HOST, 8080)).to_string(), WORLD);
    drop(server);
}

#[test]
fn published_on_loopback_means_loopback() {
    let site = Site::new();
    let (host, neighbour) = (&site.lan.host, &site.lan.neighbour);
    let flags = ["-p", "127.0.0.1:8080:80", "-p", "127.0.0.1:8080:80/udp", "-p", "[::1]:8080:80"];
    let inside = site.run("box", &flags);
    let server = Echo::everywhere(&inside, 80);
    let other = site.run("other", &[]);
    for transport in Transport::BOTH {
        host.ask(transport, at("127.0.0.1", 8080));
    }
    host.ask(Transport::Tcp, at("::1", 8080));
    // A neighbour that sends packets for 127.0.0.1 to the host (CVE-2020-8558).
    neighbour.set_sysctl("ipv4/conf/all/route_localnet", "1");
    neighbour
        .ip(&format!("route add 127.0.0.0/8 via {HOST} table 9\nrule add to 127.0.0.0/8 table 9 pref 1"));
    neighbour.ip("rule add table local pref 2\nrule del table local pref 0");
    let gateway = site.gateway("bridge");
    let mut questions = Vec::new();
    for transport in Transport::BOTH {
        questions.extend([HOST, HOST6, "127.0.0.1"].map(|address| (neighbour, transport, at(address, 8080))));
        questions.extend([HOST, gateway.as_str()].map(|address| (&other, transport, at(address, 8080))));
        questions.push((host, transport, at(HOST, 8080)));
    }
    nobody_answers(&questions);
    drop(server);
}

#[test]
fn a_port_on_one_address_of_the_host_is_on_that_one_alone() {
    let site = Site::new();
    let (host, neighbour) = (&site.lan.host, &site.lan.neighbour);
    host.ip("addr add 198.51.100.20/24 dev eth0");
    let binds = [format!("{HOST}:8080:80"), format!("[{HOST6}]:8080:80"), "0.0.0.0:8081:80".to_owned()];
    site.network("dual", &["--ipv6"]);
    let flags: Vec<&str> = binds.iter().flat_map(|bind| ["-p", bind]).collect();
    let inside = site.run("box", &[&["--network", "dual"], flags.as_slice()].concat());
    let server = Echo::everywhere(&inside, 80);
    for address in [HOST, HOST6] {
        neighbour.ask(Transport::Tcp, at(address, 8080));
        host.ask(Transport::Tcp, at(address, 8080));
    }
    neighbour.ask(Transport::Tcp, at("198.51.100.20", 8081));
    nobody_answers(&[
        (neighbour, Transport::Tcp, at("198.51.100.20", 8080)),
        (host, Transport::Tcp, at("127.0.0.1", 8080)),
        (host, Transport::Tcp, at("::1", 8080)),
        // 0.0.0.0 is every address of one family.
        (neighbour, Transport::Tcp, at(HOST6, 8081)),
    ]);
    // Another container may have the same port of another address.
    site.run("second", &["-p", "198.51.100.20:8080:80"]);
    drop(server);
}

#[test]
fn a_taken_port_is_refused_and_the_message_names_who_has_it() {
    let site = Site::new();
    let refused = |flags: &[&str], parts: &[&str]| {
        let words = [&["run", "--rm"], flags, &[&site.image, "true"]].concat();
        site.engine.run(&words).fails_with(125).error_names(parts);
    };
    let own = std::process::id().to_string();
    let (tcp, udp) = site
        .lan
        .host
        .enter(|| (TcpListener::bind("0.0.0.0:8080").unwrap(), UdpSocket::bind("127.0.0.1:8081").unwrap()));
    refused(&["-p", "8080:80"], &["port is already allocated", "8080", &own]);
    refused(&["-p", "127.0.0.1:8080:80"], &["8080", &own]);
    refused(&["-p", "8081:80/udp"], &["8081", &own]);
    drop((tcp, udp));
    site.run("holder", &["-p", "8080:80", "-p", "8081:81/udp"]);
    refused(&["-p", "8080:80"], &["port is already allocated", "8080", "holder"]);
    refused(&["-p", "127.0.0.1:8080:80"], &["8080", "holder"]);
    refused(&["-p", &format!("{HOST}:8081:80/udp")], &["8081", "holder"]);
    refused(&["-p", "7000:70", "-p", "7000:71"], &["7000"]);
    // The same number of the other protocol is another port; nothing of what was refused is held.
    site.run("other", &["-p", "8080:80/udp", "-p", "8081:81", "-p", "7000:70"]);
    // The host's own programs are told as well.
    site.lan.host.enter(|| {
        assert!(TcpListener::bind("0.0.0.0:8080").is_err());
        assert!(UdpSocket::bind("0.0.0.0:8081").is_err());
    });
    let second = site.engine.beside();
    let image = second.image("busybox");
    second.run(&["run", "--rm", "-p", "8080:80", &image, "true"]).fails_with(125).error_names(&["8080"]);
    site.engine.run(&["stop", "-t", "0", "holder"]).ok();
    site.run("third", &["-p", "8080:80"]);
    site.engine.run(&["start", "holder"]).fails_with(1).error_names(&["8080", "third"]);
    site.engine.run(&["rm", "-f", "third"]).ok();
    site.engine.run(&["start", "holder"]).ok();
}

#[test]
fn ranges_free_ports_and_all_that_an_image_exposes() {
    let site = Site::new();
    let engine = &site.engine;
    let port = |name: &str, private: &str| {
        let listed = engine.run(&["port", name, private]).ok();
        let ports = listed.stdout.lines().map(|line| line.rsplit(':').next().unwrap().to_owned());
        let mut ports: Vec<String> = ports.collect();
        ports.dedup();
        assert_eq!(ports.len(), 1, "the same in both families: {listed}");
        ports.remove(0)
    };
    let inside = site.run("each", &["-p", "9000-9002:80-82", "-p", "9000-9002:80-82/udp"]);
    let servers = [80, 81, 82].map(|port| Echo::everywhere(&inside, port));
    for port in [9000, 9001, 9002] {
        for transport in Transport::BOTH {
            site.lan.neighbour.ask(transport, at(HOST, port));
        }
    }
    drop(servers);
    site.run("first", &["-p", "9001-9010:80"]);
    assert_eq!(port("first", "80"), "9003");
    site.run("second", &["-p", "9001-9010:80"]);
    assert_eq!(port("second", "80/tcp"), "9004");

    let inside = site.run("any", &["-p", "80", "-p", "127.0.0.1::81"]);
    let server = Echo::everywhere(&inside, 80);
    site.lan.neighbour.ask(Transport::Tcp, at(HOST, port("any", "80").parse().unwrap()));
    drop(server);

    let tree = engine.base().join("tree");
    std::fs::create_dir_all(tree.join("bin")).unwrap();
    std::fs::copy(tests::busybox(), tree.join("bin/sleep")).unwrap();
    tests::import_with(engine, &tree, "exposes", &["EXPOSE 80", "EXPOSE 53/udp", r#"CMD ["sleep", "1000"]"#]);
    engine
        .run(&["run", "-d", "--name", "all", "-P", "--expose", "7000-7001", "-p", "8053:53/udp", "exposes"])
        .ok();
    let listed = engine.run(&["port", "all"]).ok().stdout;
    for private in ["80/tcp", "7000/tcp", "7001/tcp"] {
        assert_ne!(port("all", private), "0", "{listed}");
    }
    assert_eq!(port("all", "53/udp"), "8053");
    // Without -P they are told and not published.
    engine.run(&["run", "-d", "--name", "told", "--expose", "7000", "exposes"]).ok();
    engine.run(&["port", "told"]).ok().prints("");
    let shown = engine.run(&["ps", "--filter", "name=told", "--format", "{{.Ports}}"]).ok();
    shown.prints("80/tcp, 7000/tcp, 53/udp");
}

#[test]
fn port_ps_and_inspect_show_what_is_published() {
    let site = Site::new();
    let engine = &site.engine;
    site.run("web", &["-p", "8080:80", "-p", "127.0.0.1:8443:443", "-p", "9000-9001:90-91/udp"]);
    let listed = engine.run(&["port", "web"]).ok();
    for line in [
        "80/tcp -> 0.0.0.0:8080",
        "80/tcp -> [::]:8080",
        "443/tcp -> 127.0.0.1:8443",
        "90/udp -> 0.0.0.0:9000",
        "91/udp -> 0.0.0.0:9001",
    ] {
        assert!(listed.stdout.lines().any(|shown| shown == line), "no `{line}` in {listed}");
    }
    engine.run(&["port", "web", "80"]).ok().prints("0.0.0.0:8080\n[::]:8080");
    engine.run(&["port", "web", "443/tcp"]).ok().prints("127.0.0.1:8443");
    engine.run(&["port", "web", "81"]).fails_with(1).error_names(&["81/tcp", "web"]);
    engine.run(&["port", "nosuch"]).fails_with(1).error_names(&["No such container"]);
    let shown = engine.run(&["ps", "--format", "{{.Ports}}"]).ok();
    for part in [
        "127.0.0.1:8443->443/tcp",
        "0.0.0.0:8080->80/tcp",
        "[::]:8080->80/tcp",
        "0.0.0.0:9000-9001->90-91/udp",
    ] {
        assert!(shown.stdout.contains(part), "no {part} in {shown}");
    }
    let template = r#"{{json (index .NetworkSettings.Ports "443/tcp")}}"#;
    let bound = serde_json::json!([{"HostIp": "127.0.0.1", "HostPort": "8443"}]);
    assert_eq!(engine.run(&["inspect", "--format", template, "web"]).ok().json(), bound);
    let template = r#"{{json (index .HostConfig.PortBindings "443/tcp")}}"#;
    assert_eq!(engine.run(&["inspect", "--format", template, "web"]).ok().json(), bound);
    // Why a packet gets there.
    let why = engine.run(&["port", "--why", "web"]).ok();
    for part in ["8080", "8443", "9001", &engine.address("web", "bridge"), "coracle"] {
        assert!(why.stdout.contains(part), "no {part} in {why}");
    }
    let why = engine.run(&["port", "--why", "web", "443"]).ok();
    assert!(why.stdout.contains("8443") && !why.stdout.contains("8080"), "{why}");
    for filter in ["publish=80", "publish=90/udp", "expose=443"] {
        engine.run(&["ps", "--filter", filter, "--format", "{{.Names}}"]).ok().prints("web");
    }
    engine.run(&["ps", "--filter", "publish=81", "--quiet"]).ok().prints("");
    engine.run(&["stop", "-t", "0", "web"]).ok();
    engine.run(&["port", "web"]).ok().prints("");
}

#[test]
fn what_does_not_read_as_a_port_is_refused() {
    let site = Site::new();
    for publish in [
        "x",
        "70000:80",
        "80:0",
        "1-2:80-82",
        "1.2.3:80:80",
        "80:80/sctp",
        "80:80/icmp",
        "[::1:80:80",
        "2-1:80-81",
    ] {
        site.engine.run(&["run", "--rm", "-p", publish, &site.image, "true"]).fails_with(125);
    }
    // An address that the host has not.
    let words = ["run", "--rm", "-p", "192.0.2.77:8080:80", &site.image, "true"];
    site.engine.run(&words).fails_with(125).error_names(&["192.0.2.77:8080"]);
    assert!(site.engine.containers().is_empty());
}

#[test]
fn a_thousand_ports_are_published_by_one_word_and_taken_back() {
    let site = Site::new();
    let inside = site.run("box", &["-p", "20000-20999:10000-10999"]);
    let servers = [10000, 10500, 10999].map(|port| Echo::everywhere(&inside, port));
    for port in [20000, 20500, 20999] {
        site.lan.neighbour.ask(Transport::Tcp, at(HOST, port));
    }
    site.lan.neighbour.cannot_ask(Transport::Tcp, at(HOST, 21000));
    drop(servers);
    site.engine.run(&["stop", "-t", "0", "box"]).ok();
    let again = site.run("again", &["-p", "20500:80"]);
    let server = Echo::everywhere(&again, 80);
    site.lan.neighbour.ask(Transport::Tcp, at(HOST, 20500));
    site.lan.neighbour.cannot_ask(Transport::Tcp, at(HOST, 20501));
    drop(server);
}

#[test]
fn a_port_follows_its_container_to_another_address() {
    let site = Site::new();
    site.network("net", &["--subnet", "10.9.8.0/24"]);
    site.run("box", &["--network", "net", "-p", "8080:80"]);
    for _ in 0..3 {
        let inside = site.engine.inside("box");
        let server = Echo::everywhere(&inside, 80);
        assert_eq!(site.lan.neighbour.ask(Transport::Tcp, at(HOST, 8080)).to_string(), NEIGHBOUR);
        drop((server, inside));
        site.engine.run(&["stop", "-t", "0", "box"]).ok();
        site.lan.neighbour.cannot_ask(Transport::Tcp, at(HOST, 8080));
        // Somebody else takes the address meanwhile.
        site.run("thief", &["--network", "net"]);
        site.engine.run(&["start", "box"]).ok();
        site.engine.run(&["rm", "-f", "thief"]).ok();
    }
}
