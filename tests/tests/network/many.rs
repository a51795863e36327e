//! Many containers on one network: each reaches three others by name. In `make soak` more than the kernel's 1,023
//! ports of one bridge.

use std::fs;
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tests::dns::A;
use tests::{Echo, Namespace, Transport, at, rounds};

use super::Site;

/// The kernel's limit of neighbours, one for all namespaces; restored at the end.
struct Neighbours(String);

const LIMIT: &str = "/proc/sys/net/ipv4/neigh/default/gc_thresh3";

impl Neighbours {
    fn at_least(count: usize) -> Self {
        let before = fs::read_to_string(LIMIT).unwrap();
        if before.trim().parse::<usize>().unwrap() < count {
            fs::write(LIMIT, count.to_string()).unwrap();
        }
        Self(before)
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        let _ = fs::write(LIMIT, &self.0);
    }
}

#[test]
fn each_of_many_containers_reaches_three_others_by_name() {
    let count = rounds(64, 1500);
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let _neighbours = (count > 500).then(|| Neighbours::at_least(64 * count));
    let site = Site::new();
    site.network("net", &["--subnet", "10.9.0.0/20"]);
    let name = |n: usize| format!("c{}", n % count);
    // Two at a time, as there are processors.
    let start = |first: usize| {
        for n in (first..count).step_by(2) {
            site.run(&name(n), &["--network", "net"]);
        }
    };
    thread::scope(|threads| {
        threads.spawn(|| start(0));
        threads.spawn(|| start(1));
    });
    let insides: Vec<Namespace> = (0..count).map(|n| site.engine.inside(&name(n))).collect();
    let servers: Vec<Echo> = insides.iter().map(|inside| Echo::everywhere(inside, 80)).collect();
    let reach = |n: usize| {
        let reaches = |other: &usize| {
            let found = insides[n].lookup(&name(*other), A).records;
            let [address] = found.as_slice() else { panic!("{} is {found:?}", name(*other)) };
            insides[n].can_ask(at(address, 80))
        };
        let others = [n + 1, n + count / 2, n + count - 7].into_iter();
        others.filter(|other| !reaches(other)).map(|other| format!("{} {}", name(n), name(other))).collect()
    };
    let silent: Vec<String> = (0..count).flat_map(|n| -> Vec<String> { reach(n) }).collect();
    assert!(silent.is_empty(), "{} do not reach each other: {silent:?}", silent.len());
    // The last one talks to the first, also where another bridge lies between them.
    insides[count - 1].ask(Transport::Udp, site.direct(&name(0), "net", 80));
    site.engine.run(&["doctor"]).ok();
    drop(servers);
    drop(insides);
    let ids = site.engine.containers();
    for some in ids.chunks(100) {
        site.engine
            .run(&[&["rm", "-f"][..], &some.iter().map(String::as_str).collect::<Vec<_>>()].concat())
            .ok();
    }
    site.engine.audit();
}
