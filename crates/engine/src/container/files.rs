//! `/etc/hosts` and `/etc/resolv.conf` of a container, as Docker writes them.

use std::net::IpAddr;

use network::Endpoint;
use store::Durability;
use sys::Dir;

use super::record::ContainerRecord;
use crate::error::Result;
use crate::network::Place;
use crate::paths::Engine;
use crate::request::NetworkMode;

/// Where the resolver inside answers.
const RESOLVER: &str = "127.0.0.11";
const HOST_FILE: &str = "/etc/resolv.conf";
/// What systemd-resolved asks itself, where the host's list names it alone.
const BEHIND_RESOLVED: &str = "/run/systemd/resolve/resolv.conf";

/// Whoever runs in the container reads them; on the host their directory is root's alone.
pub(super) const MODE: u32 = 0o644;

/// What decides about resolvers, for a container with networks of its own.
#[derive(Debug, Clone, Copy)]
struct Inside {
    /// Whether the resolver inside answers.
    resolver: bool,
    ipv6: bool,
}

/// Writes both files, before anything is mounted on them.
pub(super) fn write(engine: &Engine, record: &ContainerRecord, place: Option<&Place>) -> Result<()> {
    let directory = Dir::open(engine.container_dir(&record.id))?;
    let endpoints = place.map_or(&[][..], |place| &place.endpoints);
    let gateway = place.and_then(|place| place.host_gateway);
    let hosts = hosts(record, endpoints, gateway);
    let inside = place.map(|place| Inside {
        resolver: place.resolver,
        ipv6: endpoints.iter().flat_map(|endpoint| &endpoint.addresses).any(|cidr| !cidr.is_ipv4()),
    });
    let resolv_conf = resolv_conf(record, inside);
    for (name, text) in [("hosts", hosts), ("resolv.conf", resolv_conf)] {
        store::write_atomic(&directory, name, text.as_bytes(), Durability::Volatile)?;
        directory.chmod(name, MODE)?;
    }
    Ok(())
}

/// Writes `/etc/hosts` of a container that runs: into the file itself, which is mounted there. What the container has
/// written into it goes, as with Docker.
pub(crate) fn write_hosts(engine: &Engine, record: &ContainerRecord, endpoints: &[Endpoint]) -> Result<()> {
    let directory = Dir::open(engine.container_dir(&record.id))?;
    let gateway = endpoints.iter().find_map(gateway_of_bridge);
    let text = hosts(record, endpoints, gateway);
    // The container can write to the file, and to nothing around it: no link is followed.
    directory.overwrite(std::path::Path::new("hosts"), text.as_bytes())?;
    Ok(())
}

/// Writes `/etc/resolv.conf` of a container that runs and whose names are answered from now on.
pub(crate) fn write_resolver(engine: &Engine, record: &ContainerRecord) -> Result<()> {
    let directory = Dir::open(engine.container_dir(&record.id))?;
    let text = resolv_conf(record, Some(Inside { resolver: true, ipv6: true }));
    directory.overwrite(std::path::Path::new("resolv.conf"), text.as_bytes())?;
    Ok(())
}

fn gateway_of_bridge(endpoint: &Endpoint) -> Option<IpAddr> {
    let rules = endpoint.bridge_rules()?;
    rules.subnets.iter().map(|subnet| subnet.address).find(IpAddr::is_ipv4)
}

/// Whether programs inside reach one of the host's resolvers themselves; one on the host's loopback they do not.
pub(crate) fn has_reachable_resolver() -> bool {
    !reachable(&host_resolvers()).is_empty()
}

/// The host's list; where it names nobody but the machine itself, what stands behind systemd-resolved.
fn host_resolvers() -> String {
    let text = sys::fs::read_to_string(HOST_FILE).unwrap_or_default();
    if !reachable(&text).is_empty() {
        return text;
    }
    sys::fs::read_to_string(BEHIND_RESOLVED).unwrap_or(text)
}

fn values<'a>(text: &'a str, keyword: &str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| {
        let rest = line.trim_start().strip_prefix(keyword)?;
        rest.starts_with([' ', '\t']).then(|| rest.trim())
    })
}

fn reachable(text: &str) -> Vec<IpAddr> {
    // An address with a zone names an interface of the host.
    let addresses = values(text, "nameserver").filter_map(|word| word.parse::<IpAddr>().ok());
    addresses.filter(|address| !address.is_loopback() && !address.is_unspecified()).collect()
}

/// What the network is decides: the host's file for the host's network, the resolver inside where it answers, else
/// those of the host that can be reached. What was asked replaces the host's, word by word.
fn resolv_conf(record: &ContainerRecord, inside: Option<Inside>) -> String {
    let request = &record.request;
    let host = match (&request.namespaces.network, inside) {
        (NetworkMode::Host, _) => sys::fs::read_to_string(HOST_FILE).unwrap_or_default(),
        (_, Some(_)) => host_resolvers(),
        (_, None) => String::new(),
    };
    let answered = inside.is_some_and(|inside| inside.resolver);
    if request.namespaces.network == NetworkMode::Host
        && request.dns.is_empty()
        && request.dns_search.is_empty()
        && request.dns_options.is_empty()
    {
        return host;
    }
    let servers: Vec<String> = match (answered, request.dns.is_empty()) {
        (true, _) => vec![RESOLVER.to_owned()],
        (false, false) => request.dns.iter().map(ToString::to_string).collect(),
        (false, true) if request.namespaces.network == NetworkMode::Host => {
            values(&host, "nameserver").map(str::to_owned).collect()
        }
        (false, true) => {
            let ipv6 = inside.is_some_and(|inside| inside.ipv6);
            let usable = reachable(&host).into_iter().filter(|address| address.is_ipv4() || ipv6);
            usable.map(|address| address.to_string()).collect()
        }
    };
    let search: Vec<String> = match request.dns_search.as_slice() {
        [] => values(&host, "search")
            .last()
            .into_iter()
            .flat_map(str::split_whitespace)
            .map(str::to_owned)
            .collect(),
        // None at all.
        [dot] if dot == "." => Vec::new(),
        asked => asked.to_vec(),
    };
    let mut options: Vec<String> = match request.dns_options.as_slice() {
        [] => values(&host, "options").flat_map(str::split_whitespace).map(str::to_owned).collect(),
        asked => asked.to_vec(),
    };
    if answered && !options.iter().any(|option| option.starts_with("ndots:")) {
        // Names of containers have no dots, and need no search.
        options.push("ndots:0".to_owned());
    }
    let mut text: String = servers.iter().map(|server| format!("nameserver {server}\n")).collect();
    if !search.is_empty() {
        text.push_str(&format!("search {}\n", search.join(" ")));
    }
    if !options.is_empty() {
        text.push_str(&format!("options {}\n", options.join(" ")));
    }
    text
}

fn hosts(record: &ContainerRecord, endpoints: &[Endpoint], gateway: Option<IpAddr>) -> String {
    let mut text = String::from(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n",
    );
    for (name, address) in &record.request.hosts {
        // Nothing stands for the host's own address as the container sees it.
        if let Some(address) = address.or(gateway) {
            text.push_str(&format!("{address}\t{name}\n"));
        }
    }
    let names = match record.request.domainname.as_deref().filter(|domain| !domain.is_empty()) {
        Some(domain) => format!("{0}.{domain} {0}", record.hostname),
        None => record.hostname.clone(),
    };
    for cidr in endpoints.iter().flat_map(|endpoint| &endpoint.addresses) {
        text.push_str(&format!("{}\t{names}\n", cidr.address));
    }
    text
}

#[cfg(test)]
#[test]
fn the_hosts_resolvers_that_containers_reach() {
    let text = "# nameserver 1.1.1.1\nnameserver 127.0.0.53\nnameserver\t10.0.0.1\nnameserver ::1\nnameserver fe80::1%eth0\nnameserver fd00::1\nnameservers 9.9.9.9\n";
    let found: Vec<String> = reachable(text).iter().map(ToString::to_string).collect();
    assert_eq!(found, ["10.0.0.1", "fd00::1"]);
}
