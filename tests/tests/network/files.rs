//! `/etc/hosts`, `/etc/resolv.conf` and `/etc/hostname` of a container, as Docker makes them.

use std::fs;

use tests::Lan;
use tests::lan::ROUTER;

use super::Site;

/// Prints a file of a container that is made for it.
#[track_caller]
fn file(site: &Site, flags: &[&str], path: &str) -> String {
    site.engine.run(&[&["run", "--rm"], flags, &[&site.image, "cat", path]].concat()).ok().stdout
}

/// Names of an address in a hosts file.
fn names<'a>(hosts: &'a str, address: &str) -> Vec<&'a str> {
    let fitting = hosts.lines().filter(|line| line.split_whitespace().next() == Some(address));
    fitting.flat_map(|line| line.split_whitespace().skip(1)).collect()
}

#[test]
fn hosts_says_who_the_container_is_and_what_was_added() {
    let site = Site::new();
    site.network("net", &["--ipv6"]);
    let flags = ["--hostname", "boat", "--domainname", "sea.test", "--add-host", "db:10.1.2.3", "--add-host"];
    site.run(
        "box",
        &[&["--network", "net"], &flags[..], &["six=[fd00::9]", "--add-host", "up:host-gateway"]].concat(),
    );
    let hosts = site.engine.run(&["exec", "box", "cat", "/etc/hosts"]).ok().stdout;
    assert_eq!(names(&hosts, "127.0.0.1"), ["localhost"]);
    assert!(names(&hosts, "::1").contains(&"localhost"));
    assert_eq!(names(&hosts, &site.engine.address("box", "net")), ["boat.sea.test", "boat"]);
    assert_eq!(names(&hosts, &site.engine.address6("box", "net")), ["boat.sea.test", "boat"]);
    assert_eq!(names(&hosts, "10.1.2.3"), ["db"]);
    assert_eq!(names(&hosts, "fd00::9"), ["six"]);
    assert_eq!(names(&hosts, &site.gateway("net")), ["up"]);
    let exec = |words: &[&str]| site.engine.run(&[&["exec", "box"], words].concat()).ok();
    exec(&["hostname"]).prints("boat");
    exec(&["cat", "/etc/hostname"]).prints("boat");
    // Without a name it is the short id, on every network.
    site.run("plain", &[]);
    let id = site.engine.inspect("plain", "{{.Id}}");
    let hosts = site.engine.run(&["exec", "plain", "cat", "/etc/hosts", "/etc/hostname"]).ok().stdout;
    assert_eq!(names(&hosts, &site.engine.address("plain", "bridge")), [&id[..12]]);
    assert!(hosts.ends_with(&format!("{}\n", &id[..12])));
    // They are files on the host, where `inspect` says.
    for (field, part) in
        [("HostsPath", "localhost"), ("ResolvConfPath", "nameserver"), ("HostnamePath", &id[..12])]
    {
        let path = site.engine.inspect("plain", &format!("{{{{.{field}}}}}"));
        assert!(fs::read_to_string(&path).unwrap().contains(part), "{field} {path}");
    }
    // A further network is a further line.
    site.engine.run(&["network", "connect", "net", "plain"]).ok();
    let hosts = site.engine.run(&["exec", "plain", "cat", "/etc/hosts"]).ok().stdout;
    assert_eq!(names(&hosts, &site.engine.address("plain", "net")), [&id[..12]]);
}

#[test]
fn they_may_be_written_by_the_container_and_are_made_anew_at_the_next_start() {
    let site = Site::new();
    let script = "grep -c own /etc/hosts; echo 10.1.1.1 own >>/etc/hosts; echo '# own' >>/etc/resolv.conf; hostname >/etc/hostname";
    site.engine.run(&["run", "--name", "box", &site.image, "sh", "-c", script]).ok().prints("0");
    site.engine.run(&["start", "--attach", "box"]).ok().prints("0");
    // Files of the user's go before them, and a root that cannot be written changes nothing.
    let own = site.engine.base().join("own");
    fs::write(&own, "10.1.1.1 mine\n").unwrap();
    for path in ["/etc/hosts", "/etc/resolv.conf", "/etc/hostname"] {
        assert_eq!(file(&site, &["-v", &format!("{}:{path}:ro", own.display())], path), "10.1.1.1 mine\n");
    }
    assert!(file(&site, &["--read-only"], "/etc/resolv.conf").contains("nameserver"));
    assert!(file(&site, &["--user", "1000"], "/etc/hosts").contains("localhost"));
}

#[test]
fn resolv_conf_is_the_hosts_as_far_as_a_container_can_use_it() {
    let text = format!(
        "# a comment\nnameserver 127.0.0.53\nnameserver {ROUTER}\nnameserver fe80::1%eth0\nsearch home.test lan.test\noptions edns0 timeout:2\n"
    );
    let site = Site::on(Lan::new().with_resolv_conf(&text));
    let plain = file(&site, &[], "/etc/resolv.conf");
    for part in [&format!("nameserver {ROUTER}\n"), "search home.test lan.test\n", "edns0", "timeout:2"] {
        assert!(plain.contains(part), "no {part} in {plain}");
    }
    assert!(!plain.contains("127.0.0.53") && !plain.contains("fe80"), "{plain}");
    let host = file(&site, &["--network", "host"], "/etc/resolv.conf");
    assert_eq!(host, text, "with the host's network it is the host's file");
    site.network("net", &[]);
    let own = file(
        &site,
        &["--network", "net", "--dns-search", ".", "--dns-option", "ndots:2"],
        "/etc/resolv.conf",
    );
    assert!(own.contains("nameserver 127.0.0.11\n") && own.contains("ndots:2"), "{own}");
    assert!(!own.contains("search") && !own.contains("timeout"), "{own}");
    for flags in [
        &["--dns", "nonsense"][..],
        &["--add-host", "nocolon"],
        &["--add-host", "a:nonsense"],
        &["--add-host", "a b:10.0.0.1"],
    ] {
        let words = [&["run", "--rm"], flags, &[&site.image, "true"]].concat();
        site.engine.run(&words).fails_with(125);
    }
}
