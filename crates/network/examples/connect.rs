//! How long one container takes to connect, in a network namespace that goes with the program: as root,
//! `cargo run --release -p network --example connect`.
#![expect(clippy::print_stdout, reason = "a program for people")]
#![expect(clippy::disallowed_methods, reason = "no part of the product: runs `mount`")]

use std::error::Error;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use network::{
    BridgeRules, Cidr, Connection, Endpoint, Fabric, Link, Mac, PortRule, Protocol, host_interface,
};
use sys::process::{NEWNET, NEWNS, join_namespaces, unshare};

const ROUNDS: u32 = 200;

fn main() -> Result<(), Box<dyn Error>> {
    unshare(NEWNET | NEWNS)?;
    sys::mount::set_propagation_recursive(Path::new("/"), sys::mount::PRIVATE)?;
    sys::loopback::bring_up()?;
    // The one that is there shows the interfaces of the machine itself.
    Command::new("mount").args(["-t", "sysfs", "sysfs", "/sys"]).status()?;
    let run_root = std::env::temp_dir().join(format!("coracle-connect-{}", std::process::id()));
    let fabric = Fabric::new(&run_root);
    for (what, ipv6, ports, resolver) in [
        ("IPv4", false, 0, false),
        ("IPv4, resolver", false, 0, true),
        ("IPv4, IPv6, resolver", true, 0, true),
        ("IPv4, resolver, 2 ports", false, 2, true),
    ] {
        let mut times = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let (connecting, disconnecting) = once(&fabric, round, ipv6, ports, resolver)?;
            times.0.push(connecting);
            times.1.push(disconnecting);
        }
        println!("{what:26} connect {}   forget {}", median(times.0), median(times.1));
    }
    for containers in [1, 1000] {
        let kept = keep(&fabric, containers)?;
        std::thread::sleep(Duration::from_secs(2));
        let times = (0..ROUNDS).map(|_| {
            let started = Instant::now();
            fabric.restore().map(|()| started.elapsed())
        });
        let times = times.collect::<Result<Vec<Duration>, _>>()?;
        println!("{containers} containers: restore where all is well {}", median(times));
        drop(kept);
    }
    Ok(sys::Dir::open(run_root.parent().unwrap_or(&run_root))
        .and_then(|parent| parent.remove_tree(run_root.file_name().unwrap_or_default()))?)
}

/// Connects containers that stay.
fn keep(fabric: &Fabric, containers: u32) -> Result<Vec<OwnedFd>, Box<dyn Error>> {
    let (mut kept, mut times) = (Vec::new(), Vec::new());
    for number in 0..containers {
        let endpoints = [endpoint(1000 + number, false)?];
        fabric.state().publish(&endpoints[0])?;
        let netns = new_netns()?;
        let connection = Connection { endpoints: &endpoints, ports: &[], resolver_port: None };
        let started = Instant::now();
        fabric.connect(&connection, netns.as_fd())?;
        times.push(started.elapsed());
        kept.push(netns);
    }
    let last = times.split_off(times.len() - times.len().min(100));
    println!("{containers} containers: connect of the last hundred {}", median(last));
    Ok(kept)
}

fn once(
    fabric: &Fabric,
    round: u32,
    ipv6: bool,
    ports: u16,
    resolver: bool,
) -> Result<(Duration, Duration), Box<dyn Error>> {
    let endpoint = endpoint(round, ipv6)?;
    let container = endpoint.addresses[0].address;
    let rule = |number: u16| {
        PortRule::new(
            Protocol::Tcp,
            (Ipv4Addr::UNSPECIFIED, 8000 + number).into(),
            (container, 80 + number).into(),
        )
    };
    let ports: Vec<PortRule> = (0..ports).map(rule).collect();
    fabric.state().publish(&endpoint)?;
    fabric.state().publish_ports(&endpoint.container_id, &ports)?;
    let netns = new_netns()?;
    let endpoints = [endpoint];
    let connection =
        Connection { endpoints: &endpoints, ports: &ports, resolver_port: resolver.then_some(4053) };
    let started = Instant::now();
    fabric.connect(&connection, netns.as_fd())?;
    let connecting = started.elapsed();
    let started = Instant::now();
    fabric.forget(&endpoints, &ports)?;
    let disconnecting = started.elapsed();
    fabric.state().release(&endpoints[0].network_id, &endpoints[0].container_id)?;
    Ok((connecting, disconnecting))
}

fn endpoint(round: u32, ipv6: bool) -> Result<Endpoint, Box<dyn Error>> {
    let mut subnets: Vec<Cidr> = vec!["10.77.0.1/16".parse()?];
    if ipv6 {
        subnets.push("fd00:77::1/64".parse()?);
    }
    let bridge = if ipv6 { "coracle-both000" } else { "coracle0" };
    let addresses: Vec<Cidr> = subnets
        .iter()
        .map(|cidr| Cidr { address: cidr.at(u128::from(round) + 2), prefix: cidr.prefix })
        .collect();
    let (network, container_id) = (format!("network-{bridge}"), format!("container{round}"));
    let gateways = subnets.iter().map(|cidr| cidr.address).collect();
    let rules =
        BridgeRules { bridge: bridge.into(), internal: false, between: true, masquerade: true, subnets };
    let mac = match addresses[0].address {
        IpAddr::V4(address) => Mac::of_ipv4(address),
        IpAddr::V6(_) => return Err("IPv4 comes first".into()),
    };
    Ok(Endpoint {
        names: vec![container_id.clone()],
        link: Link::Bridge { host_interface: host_interface(&container_id, &network), rules },
        network_id: network.clone(),
        network,
        container_id,
        interface: "eth0".into(),
        mac,
        addresses,
        gateways,
        mtu: None,
    })
}

fn new_netns() -> Result<OwnedFd, Box<dyn Error>> {
    let own = File::open("/proc/thread-self/ns/net")?;
    unshare(NEWNET)?;
    let new = File::open("/proc/thread-self/ns/net")?;
    join_namespaces(own.as_fd(), NEWNET)?;
    Ok(new.into())
}

fn median(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |part: usize| times[times.len() * part / 100];
    format!("median {:?}, 90th {:?}", at(50), at(90))
}
