//! What a container's interfaces are like and where they lead: the default bridge, networks of the user's in both
//! families, host, none, another container's, macvlan.

use std::collections::BTreeSet;
use std::fs;

use tests::lan::{HOST, HOST6, ROUTER, ROUTER6, WORLD, WORLD6};
use tests::{Echo, Transport, at, nobody_answers};

use super::Site;

#[test]
fn the_default_bridge_gives_an_address_and_a_way_out_behind_the_hosts() {
    let site = Site::new();
    let world = Echo::everywhere(&site.lan.world, 80);
    let inside = site.run("box", &[]);
    assert_eq!(inside.interfaces().len(), 2);
    let address = site.engine.address("box", "bridge");
    let exec = |words: &[&str]| site.engine.run(&[&["exec", "box"], words].concat()).ok().stdout;
    let shown = exec(&["ip", "addr", "show", "dev", "eth0"]);
    assert!(shown.contains(&format!("inet {address}/")), "{shown}");
    let mac = site.engine.inspect("box", "{{.NetworkSettings.Networks.bridge.MacAddress}}");
    assert!(shown.contains(&mac), "{mac} in {shown}");
    let gateway = site.gateway("bridge");
    assert!(exec(&["ip", "route"]).starts_with(&format!("default via {gateway} dev eth0")));
    for transport in Transport::BOTH {
        assert_eq!(inside.ask(transport, at(WORLD, 80)).to_string(), HOST);
    }
    exec(&["ping", "-c", "1", WORLD]);
    // Another container and the host see it as it is.
    let server = Echo::everywhere(&inside, 80);
    let other = site.run("other", &[]);
    let seen = other.ask(Transport::Tcp, site.direct("box", "bridge", 80));
    assert_eq!(seen.to_string(), site.engine.address("other", "bridge"));
    assert_eq!(site.lan.host.ask(Transport::Tcp, site.direct("box", "bridge", 80)).to_string(), gateway);
    drop((world, server));

    // Of its own accord it stays, and another start finds its way too.
    site.engine.run(&["stop", "-t", "0", "box"]).ok();
    assert_eq!(site.engine.address("box", "bridge"), "");
    site.engine.run(&["start", "box"]).ok();
    site.engine.run(&["exec", "box", "ping", "-c", "1", WORLD]).ok();
}

#[test]
fn a_network_with_ipv6_leads_out_in_both_families() {
    let site = Site::new();
    let world = Echo::everywhere(&site.lan.world, 80);
    site.network("dual", &["--ipv6"]);
    let one = site.run("one", &["--network", "dual"]);
    let address = site.engine.address6("one", "dual");
    assert!(address.starts_with("fd"), "a unique local address: {address}");
    for transport in Transport::BOTH {
        assert_eq!(one.ask(transport, at(WORLD, 80)).to_string(), HOST);
        assert_eq!(one.ask(transport, at(WORLD6, 80)).to_string(), HOST6);
    }
    let server = Echo::everywhere(&one, 80);
    let two = site.run("two", &["--network", "dual"]);
    let seen = two.ask(Transport::Tcp, site.direct6("one", "dual", 80));
    assert_eq!(seen.to_string(), site.engine.address6("two", "dual"));
    site.network("named", &["--ipv6", "--subnet", "10.9.8.0/24", "--subnet", "2001:db8:77::/64"]);
    site.run("three", &["--network", "named", "--ip", "10.9.8.7", "--ip6", "2001:db8:77::7"]);
    assert_eq!(site.engine.address("three", "named"), "10.9.8.7");
    assert_eq!(site.engine.address6("three", "named"), "2001:db8:77::7");
    drop((world, server));
}

#[test]
fn ipv6_for_containers_does_not_cost_the_host_its_own_default_route() {
    // moby#43466: a host that forwards no longer listens to router advertisements.
    let site = Site::new();
    let host = &site.lan.host;
    let accepts = host.sysctl("ipv6/conf/eth0/accept_ra");
    assert_eq!(accepts, "1");
    site.network("dual", &["--ipv6"]);
    let inside = site.run("box", &["--network", "dual"]);
    let world = Echo::everywhere(&site.lan.world, 80);
    inside.ask(Transport::Tcp, at(WORLD6, 80));
    drop(world);
    let listens = host.sysctl("ipv6/conf/eth0/accept_ra") == "2"
        || host.sysctl("ipv6/conf/eth0/forwarding") == "0" && host.sysctl("ipv6/conf/all/forwarding") == "0";
    assert!(listens, "the host's own interface still takes advertisements");
}

#[test]
fn addresses_and_hardware_addresses_that_are_asked_for_are_given_or_refused() {
    let site = Site::new();
    let flags = ["--subnet", "10.9.8.0/24", "--gateway", "10.9.8.254", "--ip-range", "10.9.8.128/26"];
    site.network("net", &[&flags[..], &["--aux-address", "printer=10.9.8.129"]].concat());
    let mac = "02:00:00:12:34:56";
    let inside = site.run("one", &["--network", "net", "--ip", "10.9.8.7", "--mac-address", mac]);
    assert_eq!(site.engine.address("one", "net"), "10.9.8.7");
    let shown = inside.run("ip", &["link", "show", "dev", "eth0"]).ok();
    shown.stdout_has(mac);
    inside.run("ip", &["route"]).ok().stdout_has("default via 10.9.8.254");
    // The range gives what nobody asks for, and not what is reserved.
    site.run("two", &["--network", "name=net,alias=b,mac-address=02:00:00:12:34:57"]);
    assert_eq!(site.engine.address("two", "net"), "10.9.8.130");

    let refused = |flags: &[&str], parts: &[&str]| {
        let words = [&["run", "--rm"], flags, &[&site.image, "true"]].concat();
        site.engine.run(&words).fails_with(125).error_names(parts);
    };
    refused(&["--network", "net", "--ip", "10.9.8.7"], &["10.9.8.7", "one"]);
    refused(&["--network", "net", "--ip", "10.9.9.7"], &["10.9.9.7"]);
    refused(&["--network", "net", "--ip", "10.9.8.254"], &["10.9.8.254"]);
    refused(&["--network", "net", "--ip", "10.9.8.255"], &["10.9.8.255"]);
    refused(&["--network", "net", "--ip6", "fd00::7"], &["fd00::7"]);
    refused(&["--ip", "10.208.0.9"], &["user defined networks only"]);
    refused(&["--network", "nosuch"], &["nosuch"]);
    refused(&["--network", "none", "--network-alias", "a"], &["alias"]);
    assert_eq!(site.engine.containers().len(), 2, "what was refused left no container");
}

#[test]
fn subnets_overlap_neither_each_other_nor_what_the_host_reaches() {
    let site = Site::new();
    site.lan.host.ip(&format!("route add 10.208.0.0/14 via {ROUTER}\nroute add 172.20.0.0/16 via {ROUTER}"));
    site.network("default-like", &["--subnet", "10.9.8.0/24"]);
    for (subnet, part) in [
        ("10.209.1.0/24", "10.208.0.0/14"),
        ("198.51.100.128/25", "198.51.100.0/24"),
        ("10.9.0.0/16", "default-like"),
    ] {
        site.engine
            .run(&["network", "create", "--subnet", subnet, "no"])
            .fails_with(1)
            .error_names(&[subnet, part]);
    }
    let mut subnets = BTreeSet::new();
    for n in 0..40 {
        site.network(&format!("net{n}"), &[]);
        let subnet = site.inspect(&format!("net{n}"), "{{(index .IPAM.Config 0).Subnet}}");
        let taken = ["10.208.", "10.209.", "10.210.", "10.211.", "172.20.", "10.9."];
        assert!(!taken.iter().any(|taken| subnet.starts_with(taken)), "{subnet}");
        assert!(subnets.insert(subnet), "given twice");
    }
}

#[test]
fn a_subnet_that_the_host_comes_to_need_is_left_at_the_next_start() {
    let site = Site::new();
    site.network("net", &[]);
    let subnet = |site: &Site| site.inspect("net", "{{(index .IPAM.Config 0).Subnet}}");
    let before = subnet(&site);
    site.run("box", &["--network", "net"]);
    site.engine.run(&["stop", "-t", "0", "box"]).ok();
    // The machine has started anew, and a VPN comes up.
    site.lan.host.ip(&format!("link delete {}", site.bridge("net")));
    site.lan.host.ip(&format!("route add {before} via {ROUTER} metric 50"));
    site.engine.run(&["start", "box"]).ok();
    assert_ne!(subnet(&site), before);
    site.engine.run(&["exec", "box", "ping", "-c", "1", WORLD]).ok();
}

#[test]
fn networks_are_joined_and_left_while_the_container_runs() {
    let site = Site::new();
    site.network("front", &[]);
    site.network("back", &["--ipv6"]);
    let inside = site.run("box", &["--network", "front"]);
    let other = site.run("other", &["--network", "back"]);
    let server = Echo::everywhere(&other, 80);
    inside.cannot_ask(Transport::Tcp, site.direct("other", "back", 80));
    site.engine.run(&["network", "connect", "--alias", "b", "back", "box"]).ok();
    assert_eq!(inside.interfaces().len(), 3);
    inside.ask(Transport::Tcp, site.direct("other", "back", 80));
    inside.ask(Transport::Tcp, site.direct6("other", "back", 80));
    let again = site.engine.run(&["network", "connect", "back", "box"]).fails_with(1);
    again.error_names(&["box", "back"]);
    site.engine.run(&["network", "disconnect", "back", "box"]).ok();
    assert_eq!(inside.interfaces().len(), 2);
    site.engine.run(&["network", "disconnect", "back", "box"]).fails_with(1).error_names(&["back"]);
    // The way out moves to what is left.
    site.engine.run(&["network", "connect", "back", "box"]).ok();
    site.engine.run(&["network", "disconnect", "front", "box"]).ok();
    site.engine.run(&["exec", "box", "ping", "-c", "1", WORLD]).ok();
    // What was joined is there after another start.
    site.engine.run(&["stop", "-t", "0", "box"]).ok();
    site.engine.run(&["network", "connect", "front", "box"]).ok();
    site.engine.run(&["start", "box"]).ok();
    assert_eq!(site.engine.inside("box").interfaces().len(), 3);
    drop(server);
}

#[test]
fn several_networks_at_the_start_the_first_leads_out() {
    let site = Site::new();
    for name in ["one", "two", "three"] {
        site.network(name, &[]);
    }
    site.network("closed", &["--internal"]);
    let flags = ["--network", "closed", "--network", "two", "--network", "one"];
    let inside = site.run("box", &flags);
    assert_eq!(inside.interfaces().len(), 4);
    let routes = inside.run("ip", &["route", "show", "default"]).ok();
    assert_eq!(routes.stdout.lines().count(), 1, "{routes}");
    routes.stdout_has(&format!("default via {} dev eth1 ", site.gateway("two")));
}

#[test]
fn host_none_and_the_network_of_another_container() {
    let site = Site::new();
    let words = ["run", "--rm", "--network", "host", &site.image, "cat", "/proc/net/dev"];
    let shown = site.engine.run(&words).ok();
    assert_eq!(shown.stdout.lines().count(), 2 + site.lan.host.interfaces().len(), "{shown}");
    let warned = ["run", "--rm", "--network", "host", "-p", "80:80", &site.image, "true"];
    site.engine.run(&warned).ok().stderr_has("warning:").stderr_has("ublished ports");

    let none = site.run("none", &["--network", "none"]);
    assert_eq!(none.interfaces(), ["lo"]);

    let owner = site.run("owner", &["--hostname", "boat"]);
    let server = Echo::start(&owner, at("127.0.0.1", 8000));
    let guest = site.run("guest", &["--network", "container:owner"]);
    assert_eq!(guest.ask(Transport::Tcp, server.address()).to_string(), "127.0.0.1");
    let hosts = |name: &str| site.engine.run(&["exec", name, "cat", "/etc/hosts"]).ok().stdout;
    assert_eq!(hosts("guest"), hosts("owner"));
    assert!(hosts("guest").contains("boat"));
    for flag in
        [["-p", "80:80"], ["--network-alias", "x"], ["--add-host", "a:10.0.0.1"], ["--dns", "10.0.0.1"]]
    {
        let words =
            [&["run", "--rm", "--network", "container:owner"], &flag[..], &[&site.image, "true"]].concat();
        site.engine.run(&words).fails_with(125).error_names(&[]);
    }
    drop(server);
}

#[test]
fn macvlan_stands_beside_the_host_with_an_address_of_the_lan() {
    let site = Site::new();
    let flags = ["-d", "macvlan", "--subnet", "198.51.100.0/24", "--gateway", ROUTER, "-o", "parent=eth0"];
    site.network("lan", &flags);
    let world = Echo::everywhere(&site.lan.world, 80);
    let inside = site.run("box", &["--network", "lan", "--ip", "198.51.100.77"]);
    assert_eq!(inside.ask(Transport::Tcp, at(WORLD, 80)).to_string(), "198.51.100.77");
    let server = Echo::everywhere(&inside, 80);
    site.lan.neighbour.ask(Transport::Tcp, at("198.51.100.77", 80));
    let other = site.run("other", &["--network", "lan", "--ip", "198.51.100.78"]);
    assert_eq!(other.ask(Transport::Udp, at("198.51.100.77", 80)).to_string(), "198.51.100.78");
    drop((world, server));
    site.engine
        .run(&["network", "create", "-d", "macvlan", "--subnet", "10.9.8.0/24", "-o", "parent=nosuch", "no"])
        .fails_with(1)
        .error_names(&["nosuch"]);
}

#[test]
fn options_of_a_bridge_are_followed_or_refused() {
    let site = Site::new();
    let options = [
        "com.docker.network.bridge.name=mine",
        "com.docker.network.driver.mtu=1300",
        "com.docker.network.container_iface_prefix=lan",
        "com.docker.network.bridge.enable_ip_masquerade=false",
    ];
    let flags: Vec<&str> = options.iter().flat_map(|option| ["-o", option]).collect();
    site.network("net", &flags);
    let inside = site.run("box", &["--network", "net"]);
    assert!(site.lan.host.interfaces().contains(&"mine".to_owned()));
    inside.run("ip", &["link", "show", "dev", "lan0"]).ok().stdout_has("mtu 1300");
    // Without masquerade it is seen as it is, by those who know the way back.
    let world = Echo::everywhere(&site.lan.world, 80);
    nobody_answers(&[(&inside, Transport::Tcp, at(WORLD, 80))]);
    let subnet = site.inspect("net", "{{(index .IPAM.Config 0).Subnet}}");
    site.lan.router.ip(&format!("route add {subnet} via {HOST}"));
    let seen = inside.ask(Transport::Tcp, at(WORLD, 80));
    assert_eq!(seen.to_string(), site.engine.address("box", "net"));
    drop(world);
    for option in ["nosuch=1", "com.docker.network.driver.mtu=x", "com.docker.network.bridge.name=a/b"] {
        site.engine
            .run(&["network", "create", "-o", option, "no"])
            .fails_with(1)
            .error_names(&[option.split('=').next().unwrap()]);
    }
}

#[test]
fn apt_get_update_works_inside() {
    // A repository in the world whose name the host's resolver knows: what the first command of many people needs.
    let site = Site::new();
    let names = site.lan.names(&[("deb.test", WORLD)]);
    let image = site.engine.image("debian");
    let repository = site.engine.base().join("repository");
    fs::create_dir(&repository).unwrap();
    let packages = "Package: coracle-test\nVersion: 7\nArchitecture: all\nMaintainer: nobody\nFilename: ./x.deb\nSize: 1\n\n";
    fs::write(repository.join("Packages"), packages).unwrap();
    let tools = tests::busybox();
    let serve = ["httpd", "-f", "-p", "80", "-h", repository.to_str().unwrap()];
    let server = site.lan.world.command(tools.to_str().unwrap(), &serve).spawn();
    let script = "rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*; \
        echo 'deb [trusted=yes] http://deb.test ./' >/etc/apt/sources.list; \
        apt-get update 2>&1 && apt-cache policy coracle-test";
    for flags in [&[][..], &["--network", "own"]] {
        if !flags.is_empty() {
            site.network("own", &[]);
        }
        let words = [&["run", "--rm"], flags, &[&image, "sh", "-c", script]].concat();
        site.engine.run(&words).ok().stdout_has("Candidate: 7");
    }
    drop(server);
    assert!(names.asked().contains(&"deb.test".to_owned()));
}

#[test]
fn the_router_is_reached_in_both_families_by_what_a_person_types() {
    let site = Site::new();
    site.network("dual", &["--ipv6"]);
    let words = ["run", "--rm", "--network", "dual", &site.image];
    for command in [
        &["ping", "-c", "1", ROUTER][..],
        &["ping", "-6", "-c", "1", ROUTER6],
        &["traceroute", "-n", "-m", "3", WORLD],
    ] {
        site.engine.run(&[&words[..], command].concat()).ok();
    }
}
