//! The container's networks, its addresses on them, and its ports.

use std::net::{Ipv4Addr, Ipv6Addr};

use engine::request::{
    ContainerRequest, DEFAULT_NETWORK, EndpointRequest, ExposedPorts, Mac, NetworkMode, PublishRequest,
};

use crate::grammar::{Invalid, Read, network, port};

/// Options about networks and ports.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Networking {
    /// Connect a container to a network: NAME, host, none, container:NAME, or name=NAME,alias=…,ip=…,ip6=…,mac-address=…
    #[arg(long, alias = "net", value_name = "NETWORK", value_parser = network::parse_network)]
    network: Vec<EndpointRequest>,
    /// Add network-scoped alias for the container
    #[arg(long, alias = "net-alias", value_name = "NAME", value_parser = network::parse_alias)]
    network_alias: Vec<String>,
    /// IPv4 address (e.g., 172.30.100.104)
    #[arg(long, value_name = "ADDRESS", value_parser = network::parse_ipv4)]
    ip: Option<Ipv4Addr>,
    /// IPv6 address (e.g., 2001:db8::33)
    #[arg(long, value_name = "ADDRESS", value_parser = network::parse_ipv6)]
    ip6: Option<Ipv6Addr>,
    /// Container MAC address (e.g., 92:d0:c6:0a:29:33)
    #[arg(long, value_name = "ADDRESS", value_parser = network::parse_mac)]
    mac_address: Option<Mac>,
    /// Publish a container's port(s) to the host
    #[arg(short, long, value_name = "[IP:][HOST:]PORT[/PROTOCOL]", value_parser = port::parse_publish)]
    publish: Vec<PublishRequest>,
    /// Publish all exposed ports to random ports
    #[arg(short = 'P', long)]
    publish_all: bool,
    /// Expose a port or a range of ports
    #[arg(long, value_name = "PORT[/PROTOCOL]", value_parser = port::parse_expose)]
    expose: Vec<ExposedPorts>,
}

impl Networking {
    pub(super) fn fill(self, request: &mut ContainerRequest) -> Read<()> {
        let Self { mut network, network_alias, ip, ip6, mac_address, publish, publish_all, expose } = self;
        if network.is_empty() {
            network
                .push(EndpointRequest { network: DEFAULT_NETWORK.to_owned(), ..EndpointRequest::default() });
        }
        // What stands apart is meant for the first network, which was once the only one.
        let first = &mut network[0];
        if !(first.aliases.is_empty() || network_alias.is_empty()) {
            return Err(twice("--network-alias", "alias"));
        }
        first.aliases.extend(network_alias);
        set(&mut first.ipv4, ip, "--ip", "IPv4 address")?;
        set(&mut first.ipv6, ip6, "--ip6", "IPv6 address")?;
        set(&mut first.mac, mac_address, "--mac-address", "MAC address")?;
        request.namespaces.network = mode(network)?;
        request.publish = publish;
        request.publish_all = publish_all;
        request.expose = expose;
        Ok(())
    }
}

fn set<T>(place: &mut Option<T>, value: Option<T>, flag: &str, what: &str) -> Read<()> {
    if place.is_some() && value.is_some() {
        return Err(twice(flag, what));
    }
    *place = value.or(place.take());
    Ok(())
}

fn twice(flag: &str, what: &str) -> Invalid {
    Invalid::new(format!("conflicting options: cannot specify both {flag} and per-network {what}"))
        .hint(format!("leave {flag} out, or the field in --network"))
}

/// Whether the word asks for something else than a network that the user made.
fn is_built_in(network: &str) -> bool {
    network == DEFAULT_NETWORK || is_mode(network)
}

/// Whether the word asks for a mode in which the container has no place of its own in a network.
fn is_mode(network: &str) -> bool {
    matches!(network, "host" | "none") || network.starts_with("container:")
}

/// Joins what was asked of all networks, of which there is one at least.
fn mode(networks: Vec<EndpointRequest>) -> Read<NetworkMode> {
    for (index, endpoint) in networks.iter().enumerate() {
        let name = &endpoint.network;
        if networks[..index].iter().any(|other| other.network == *name) {
            return Err(Invalid::new(format!("network \"{name}\" is specified multiple times"))
                .hint("name each network once: name=NETWORK,alias=A,alias=B"));
        }
        if is_mode(name) {
            check_bare(endpoint)?;
        }
    }
    if let Some(built_in) = networks.iter().find(|endpoint| is_built_in(&endpoint.network))
        && networks.len() > 1
    {
        let text = "conflicting options: cannot attach both user-defined and non-user-defined network-modes";
        return Err(Invalid::new(text).hint(format!(
            "leave `{}` out, or make it the only one; several networks must all be made by `coracle network create`",
            built_in.network
        )));
    }
    let only = &networks[0];
    let bare = EndpointRequest { network: only.network.clone(), ..EndpointRequest::default() };
    Ok(match only.network.as_str() {
        "host" => NetworkMode::Host,
        "none" => NetworkMode::None,
        DEFAULT_NETWORK if *only == bare => NetworkMode::Default,
        name => match name.strip_prefix("container:") {
            Some(container) => NetworkMode::Container(container.to_owned()),
            None => NetworkMode::Networks(networks),
        },
    })
}

/// Refuses addresses and names where the container has no place of its own in a network.
fn check_bare(endpoint: &EndpointRequest) -> Read<()> {
    let EndpointRequest { network, aliases, ipv4, ipv6, mac } = endpoint;
    let text = if !aliases.is_empty() {
        "network-scoped aliases are only supported for user-defined networks"
    } else if ipv4.is_some() || ipv6.is_some() {
        "user specified IP address is supported on user defined networks only"
    } else if mac.is_some() {
        "conflicting options: mac-address and the network mode"
    } else {
        return Ok(());
    };
    Err(Invalid::new(text).hint(format!("a container with --network {network} has no endpoint of its own")))
}
