//! Names as a way out, CVE-2024-29018: from an internal network no question leaves, whoever answers on the host.

use std::time::Duration;

use tests::dns::{A, NO_ERROR, PTR, Upstream};
use tests::lan::{ROUTER, WORLD};
use tests::{Engine, Lan, Namespace};

use crate::network::Site;

#[test]
fn from_an_internal_network_no_question_leaves() {
    for servers in [&["127.0.0.53"][..], &[ROUTER], &[ROUTER, "127.0.0.53"]] {
        let lan = Lan::new();
        let zone = [("there.test", WORLD)];
        let upstreams = [
            Upstream::start(&lan.host, &["127.0.0.53"], &zone),
            Upstream::start(&lan.router, &[ROUTER], &zone),
            Upstream::start(&lan.world, &[WORLD], &zone),
        ];
        let site = Site::on(lan.asking(servers));
        site.network("closed", &["--internal"]);
        site.network("open", &[]);
        let silent = |inside: &Namespace| {
            for name in ["there.test", "secret.of.mine.evil.test", "single", "9.9.9.9.in-addr.arpa"] {
                for kind in [A, PTR] {
                    let answers = [inside.lookup(name, kind), inside.lookup_by_tcp(name, kind)];
                    assert!(answers.iter().all(|answer| answer.records.is_empty()), "{name}: {answers:?}");
                }
            }
            let asked: Vec<String> = upstreams.iter().flat_map(Upstream::asked).collect();
            assert_eq!(asked, Vec::<String>::new(), "with {servers:?}");
        };
        let inside = site.run("box", &["--network", "closed"]);
        silent(&inside);
        silent(&site.run("own", &["--network", "closed", "--dns", WORLD]));
        // Names of the network are told, and a container that is also on an open one asks.
        assert_eq!(inside.lookup("own", A).records, [site.engine.address("own", "closed")]);
        let both = site.run("both", &["--network", "closed", "--network", "open"]);
        assert_eq!(both.lookup("there.test", A).records, [WORLD]);
        // A way out opens and closes while the container runs.
        site.engine.run(&["network", "connect", "open", "box"]).ok();
        assert_eq!(inside.lookup("there.test", A).records, [WORLD]);
        site.engine.run(&["network", "disconnect", "open", "box"]).ok();
        let before: usize = upstreams.iter().map(|upstream| upstream.asked().len()).sum();
        assert!(inside.lookup("there.test", A).records.is_empty());
        assert_eq!(upstreams.iter().map(|upstream| upstream.asked().len()).sum::<usize>(), before);
    }
}

#[test]
fn a_question_that_is_none_harms_nobody() {
    let site = Site::new();
    site.network("net", &[]);
    let inside = site.run("box", &["--network", "net"]);
    let resolver = tests::at("127.0.0.11", 53);
    inside.enter(|| {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        // Truncated, pointers in circles, names that are too long, answers, many questions.
        let mut questions = vec![vec![], vec![0; 11], vec![0xff; 12], vec![0xff; 4000], vec![0; 65000]];
        questions.push([&[1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &[0xc0, 12, 0, 1, 0, 1]].concat());
        questions.push([&[1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &[63; 300]].concat());
        questions.push([&[1, 2, 1, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0][..], &[0; 500]].concat());
        for question in &questions {
            let _ = socket.send_to(question, resolver);
            let mut stream = std::net::TcpStream::connect(resolver).unwrap();
            let _ = std::io::Write::write_all(&mut stream, question);
        }
    });
    // Streams that say nothing, more than one may have.
    let connect = || std::net::TcpStream::connect_timeout(&resolver, Duration::from_millis(200)).ok();
    let idle: Vec<_> = (0..300).map_while(|_| inside.enter(connect)).collect();
    assert_eq!(inside.lookup("box", A).code, NO_ERROR);
    drop(idle);
    assert_eq!(inside.lookup_by_tcp("box", A).records, [site.engine.address("box", "net")]);
    alive(&site.engine);
}

#[track_caller]
fn alive(engine: &Engine) {
    engine.run(&["exec", "box", "true"]).ok();
    engine.run(&["logs", "box"]).ok();
}
