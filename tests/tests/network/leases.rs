//! Addresses, names and ports are given once, whatever happens in parallel, and come back whatever is killed.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tests::lan::HOST;
use tests::{Echo, Output, Transport, at, eventually, rounds};

use super::Site;

const FLAGS: &[&str] =
    &["--network", "net", "--ip", "10.9.8.7", "--network-alias", "db", "-p", "8080:80", "-p", "8081:81/udp"];

#[track_caller]
fn site() -> Site {
    let site = Site::new();
    site.network("net", &["--subnet", "10.9.8.0/24"]);
    site
}

#[test]
fn a_start_that_is_killed_at_any_moment_holds_nothing_for_ever() {
    let site = site();
    let words = [&["run", "--detach", "--name", "box"], FLAGS, &[&site.image, "sleep", "1000"]].concat();
    let whole = site.engine.run(&words).ok().took;
    site.engine.run(&["rm", "-f", "box"]).ok();
    let steps = rounds(30, 2000);
    for step in 0..steps {
        let starting = site.engine.command(&words).spawn();
        thread::sleep(whole * u32::try_from(step).unwrap() / u32::try_from(steps).unwrap());
        starting.signal(Signal::KILL);
        drop(starting);
        // Whatever it left is found and goes, and the same can be asked for again.
        site.engine.run(&["rm", "-f", "box"]).ok();
        eventually("nothing is held", || {
            let audit = site.engine.run(&["system", "audit"]);
            audit.code == 0 || site.engine.run(&["system", "audit", "--repair"]).code == 0
        });
        site.engine.run(&words).ok();
        assert_eq!(site.engine.address("box", "net"), "10.9.8.7");
        site.engine.run(&["rm", "-f", "box"]).ok();
        site.engine.audit();
    }
    let inside = site.run("last", FLAGS);
    let server = Echo::everywhere(&inside, 80);
    site.lan.neighbour.ask(Transport::Tcp, at(HOST, 8080));
    drop(server);
}

#[test]
fn a_stop_or_removal_that_is_killed_holds_nothing_for_ever() {
    let site = site();
    for (verb, step) in ["stop", "rm"].into_iter().flat_map(|verb| (0..10).map(move |step| (verb, step))) {
        site.run("box", FLAGS);
        let words: &[&str] = if verb == "rm" { &["rm", "-f", "box"] } else { &["stop", "-t", "0", "box"] };
        let ending = site.engine.command(words).spawn();
        thread::sleep(Duration::from_millis(step));
        ending.signal(Signal::KILL);
        drop(ending);
        site.engine.run(&["rm", "-f", "box"]).ok();
        site.engine.run(&["system", "audit", "--repair"]).ok();
        site.engine.audit();
    }
}

#[test]
fn joining_a_network_that_is_killed_holds_nothing_for_ever() {
    let site = site();
    site.run("box", &[]);
    for step in 0..15 {
        let words = ["network", "connect", "--ip", "10.9.8.7", "--alias", "db", "net", "box"];
        let joining = site.engine.command(&words).spawn();
        thread::sleep(Duration::from_micros(700 * step));
        joining.signal(Signal::KILL);
        drop(joining);
        // It was joined, or it was not and may be again.
        if site.engine.run(&words).code != 0 {
            site.engine.run(&["network", "disconnect", "--force", "net", "box"]).ok();
            site.engine.run(&words).ok();
        }
        assert_eq!(site.engine.address("box", "net"), "10.9.8.7");
        site.engine.run(&["network", "disconnect", "net", "box"]).ok();
        site.engine.audit();
        assert_eq!(site.engine.inside("box").interfaces().len(), 2);
    }
}

#[test]
fn what_a_dead_container_held_is_given_to_the_next() {
    let site = site();
    site.run("box", FLAGS);
    let id = site.engine.inspect("box", "{{.Id}}");
    let status = site.engine.run_root().join("containers").join(id).join("status");
    let status: serde_json::Value = serde_json::from_slice(&std::fs::read(status).unwrap()).unwrap();
    // Everybody who could give it back is killed at once, and has ended.
    let pids =
        ["guardian", "supervisor", "pid"].map(|who| i32::try_from(status[who].as_i64().unwrap()).unwrap());
    // Guardian and supervisor would replace each other: one that stands still cannot.
    for (pid, signal) in [(pids[1], Signal::STOP)].into_iter().chain(pids.map(|pid| (pid, Signal::KILL))) {
        let _ = rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal);
    }
    for pid in pids {
        eventually("it has ended", || {
            std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
        });
    }
    site.engine.run(&["wait", "box"]).ok();
    let inside = site.run("heir", FLAGS);
    let server = Echo::everywhere(&inside, 80);
    site.lan.neighbour.ask(Transport::Tcp, at(HOST, 8080));
    site.engine.run(&["start", "box"]).fails_with(1).error_names(&["heir"]);
    drop(server);
    site.engine.run(&["rm", "-f", "heir"]).ok();
    site.engine.run(&["start", "box"]).ok();
}

/// Runs commands at the same time.
fn at_once(site: &Site, commands: &[Vec<String>]) -> Vec<Output> {
    let start = |words: &Vec<String>| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        site.engine.command(&words).spawn()
    };
    let running: Vec<_> = commands.iter().map(start).collect();
    running.into_iter().map(tests::Running::wait).collect()
}

fn words(parts: &[&[&str]]) -> Vec<String> {
    parts.concat().into_iter().map(str::to_owned).collect()
}

#[test]
fn of_many_who_ask_for_one_address_or_one_port_one_gets_it() {
    let site = site();
    let tail = [site.image.as_str(), "sleep", "1000"];
    for flags in
        [&["--network", "net", "--ip", "10.9.8.7"][..], &["-p", "8080:80"], &["-p", "127.0.0.1:8081:80/udp"]]
    {
        for _ in 0..rounds(2, 100) {
            let commands: Vec<_> =
                (0..8).map(|n| words(&[&["run", "-d", "--name", &format!("c{n}")], flags, &tail])).collect();
            let outputs = at_once(&site, &commands);
            let won = outputs.iter().filter(|output| output.code == 0).count();
            assert_eq!(won, 1, "{outputs:?}");
            for output in outputs.into_iter().filter(|output| output.code != 0) {
                output.fails_with(125).error_names(&["already"]);
            }
            let running = site.engine.containers();
            site.engine
                .run(&[&["rm", "-f"][..], &running.iter().map(String::as_str).collect::<Vec<_>>()].concat())
                .ok();
            site.engine.audit();
        }
    }
}

#[test]
fn many_at_once_get_an_address_and_a_port_each() {
    let site = site();
    let flags = ["--network", "net", "-p", "9000-9019:80", "-p", "81"];
    let commands: Vec<_> = (0..20)
        .map(|n| {
            words(&[&["run", "-d", "--name", &format!("c{n}")], &flags, &[&site.image, "sleep", "1000"]])
        })
        .collect();
    for output in at_once(&site, &commands) {
        output.ok();
    }
    let mut seen = BTreeSet::new();
    for n in 0..20 {
        let name = format!("c{n}");
        assert!(seen.insert(site.engine.address(&name, "net")), "an address was given twice");
        for port in ["80", "81"] {
            let listed = site.engine.run(&["port", &name, port]).ok().stdout;
            assert!(seen.insert(listed.lines().next().unwrap().to_owned()), "a port was given twice");
        }
        let mac = site.engine.inspect(&name, "{{.NetworkSettings.Networks.net.MacAddress}}");
        assert!(seen.insert(mac), "a hardware address was given twice");
    }
    // Each port leads to its own container.
    let servers: Vec<_> =
        (0..20).map(|n| Echo::everywhere(&site.engine.inside(&format!("c{n}")), 80)).collect();
    for port in 9000..9020 {
        site.lan.neighbour.ask(Transport::Tcp, at(HOST, port));
    }
    drop(servers);
}

#[test]
fn networks_that_are_made_at_once_have_a_name_and_a_subnet_each() {
    let site = Site::new();
    let commands: Vec<_> = (0..8).map(|_| words(&[&["network", "create", "same"]])).collect();
    let outputs = at_once(&site, &commands);
    assert_eq!(outputs.iter().filter(|output| output.code == 0).count(), 1, "{outputs:?}");
    let commands: Vec<_> =
        (0..12).map(|n| words(&[&["network", "create", "--ipv6", &format!("net{n}")]])).collect();
    for output in at_once(&site, &commands) {
        output.ok();
    }
    let template = "{{range .IPAM.Config}}{{.Subnet}} {{end}}";
    let subnets: BTreeSet<String> = (0..12)
        .flat_map(|n| {
            let shown = site.inspect(&format!("net{n}"), template);
            shown.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(subnets.len(), 24, "{subnets:?}");
}

#[test]
fn a_small_network_is_given_to_its_last_address_and_then_says_that_it_is_full() {
    let site = Site::new();
    site.network("small", &["--subnet", "10.9.8.0/29"]);
    for n in 0..5 {
        site.run(&format!("c{n}"), &["--network", "small"]);
    }
    let words = ["run", "--rm", "--network", "small", &site.image, "true"];
    site.engine.run(&words).fails_with(125).error_names(&["small", "10.9.8.0/29"]);
    site.engine.run(&["rm", "-f", "c2"]).ok();
    site.engine.run(&words).ok();
}

#[test]
fn a_network_that_is_in_use_is_not_removed_and_one_that_goes_is_not_joined() {
    let site = site();
    site.run("box", FLAGS);
    site.engine.run(&["network", "rm", "net"]).fails_with(1).error_names(&["active endpoints", "box"]);
    site.engine.run(&["rm", "-f", "box"]).ok();
    let tail = [site.image.as_str(), "true"];
    for _ in 0..rounds(5, 500) {
        let commands =
            [words(&[&["run", "--rm", "--network", "net"], &tail]), words(&[&["network", "rm", "net"]])];
        let outputs = at_once(&site, &commands);
        let [ran, removed] = outputs.as_slice() else { unreachable!("two commands") };
        assert!(ran.code == 0 || ran.stderr.contains("net"), "{ran}");
        if removed.code == 0 {
            site.network("net", &["--subnet", "10.9.8.0/24"]);
        }
        site.engine.audit();
    }
}
