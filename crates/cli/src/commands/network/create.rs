//! `network create`: a network of the user's own.

use std::net::IpAddr;

use engine::request::{Cidr, NetworkCreateRequest};

use super::NetworkCommand;
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::key_value::{Pair, parse_label, parse_pair};
use crate::grammar::subnet::{self, Addresses};
use crate::grammar::{Invalid, Read, network};
use crate::options::{Refusal, Refused, Table};
use crate::parse::{Arguments, Words};

/// Arguments of `network create`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Keep an address from being given out, of the subnet that contains it
    #[arg(long, value_name = "NAME=ADDRESS", value_parser = subnet::parse_reserved)]
    aux_address: Vec<(String, IpAddr)>,
    /// Driver to manage the Network (bridge, macvlan)
    #[arg(short, long, default_value = "bridge", value_parser = network::parse_driver)]
    driver: String,
    /// IPv4 or IPv6 gateway of the subnet that contains it
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', value_parser = subnet::parse_gateway)]
    gateway: Vec<IpAddr>,
    /// Restrict external access to the network
    #[arg(long)]
    internal: bool,
    /// Allocate container ip from a sub-range
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = subnet::parse_range)]
    ip_range: Vec<Cidr>,
    /// Enable IPv6 address assignment
    #[arg(long)]
    ipv6: bool,
    /// Set metadata on a network
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_label)]
    label: Vec<Pair>,
    /// Set driver specific options
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    opt: Vec<Pair>,
    /// Subnet in CIDR format that represents a network segment
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = subnet::parse_subnet)]
    subnet: Vec<Cidr>,
    #[command(flatten)]
    refused: Refused<OfCreate>,
}

struct OfCreate;

const SWARM: &str = "there is no swarm";

impl Table for OfCreate {
    const ROWS: &'static [Refusal] = &[
        Refusal::switch("attachable", SWARM),
        Refusal::value("config-from", SWARM).unless(&[""]),
        Refusal::switch("config-only", SWARM),
        Refusal::switch("ingress", SWARM),
        Refusal::value("ipam-driver", "the engine gives the addresses out itself").unless(&["default", ""]),
        Refusal::value("ipam-opt", "the engine gives the addresses out itself"),
        Refusal::switch("ipv4", "every network has IPv4 addresses")
            .unless(&["true", "1", "t", "T", "True", "TRUE"]),
        Refusal::value("scope", SWARM).unless(&["local", ""]),
    ];
}

impl Arguments for Args {
    const WORDS: Words = Words::Exactly(1);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        self.refused.check()?;
        let Self { aux_address, driver, gateway, internal, ip_range, ipv6, label, opt, subnet, .. } = self;
        let name = words.into_iter().next().unwrap_or_default();
        if name.trim().is_empty() {
            return Err(Invalid::new("invalid name: name is empty").hint("write a name for the new network"));
        }
        if let Some(subnet) = subnet.iter().find(|subnet| !subnet.is_ipv4() && !ipv6) {
            return Err(Invalid::new(format!("subnet {subnet} is of IPv6, which this network has not"))
                .hint("add --ipv6"));
        }
        let addresses =
            Addresses { subnets: subnet, ranges: ip_range, gateways: gateway, reserved: aux_address };
        Ok(Command::Network(NetworkCommand::Create(NetworkCreateRequest {
            name,
            driver,
            internal,
            ipv6,
            subnets: addresses.matched()?,
            options: opt.into_iter().collect(),
            labels: label.into_iter().collect(),
        })))
    }
}
