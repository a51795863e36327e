//! How long one container takes to connect, in a network namespace that goes with the program: as root,
//! `cargo run --release -p network --example connect`.
#![expect(clippy::print_stdout, reason = "a program for people")]
#![expect(clippy::disallowed_methods, reason = "opens its own namespaces")]

use std::error::Error;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use network::{
    BridgeRules, Cidr, Connection, Endpoint, Fabric, Link, Mac, PortRule, Protocol, host_interface,
};
use sys::process::{NEWNET, join_namespaces, unshare};

const ROUNDS: u32 = 200;

fn main() -> Result<(), Box<dyn Error>> {
    unshare(NEWNET)?;
    sys::loopback::bring_up()?;
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
        println!("{what:26} connect {}   disconnect {}", median(times.0), median(times.1));
    }
    let started = Instant::now();
    for _ in 0..ROUNDS {
        fabric.restore()?;
    }
    println!("restore where all is well {:?}", started.elapsed() / ROUNDS);
    Ok(std::fs::remove_dir_all(run_root)?)
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
    let rule = |number: u16| PortRule {
        protocol: Protocol::Tcp,
        host: (Ipv4Addr::UNSPECIFIED, 8000 + number).into(),
        container: (container, 80 + number).into(),
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
    fabric.disconnect(&endpoints, &ports)?;
    let disconnecting = started.elapsed();
    fabric.state().release_all(&endpoints[0].container_id)?;
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
