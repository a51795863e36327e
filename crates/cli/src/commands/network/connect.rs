//! `network connect`: put a container on a further network.

use std::net::{Ipv4Addr, Ipv6Addr};

use engine::request::{ConnectRequest, EndpointRequest};

use super::NetworkCommand;
use crate::caller::Caller;
use crate::commands::Command;
use crate::grammar::{Read, network};
use crate::options::{Refusal, Refused, Table};
use crate::parse::{Arguments, Words};

/// Arguments of `network connect`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Add network-scoped alias for the container
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = network::parse_alias)]
    alias: Vec<String>,
    /// IPv4 address (e.g., "172.30.100.104")
    #[arg(long, value_name = "ADDRESS", value_parser = network::parse_ipv4)]
    ip: Option<Ipv4Addr>,
    /// IPv6 address (e.g., "2001:db8::33")
    #[arg(long, value_name = "ADDRESS", value_parser = network::parse_ipv6)]
    ip6: Option<Ipv6Addr>,
    #[command(flatten)]
    refused: Refused<OfConnect>,
}

struct OfConnect;

impl Table for OfConnect {
    const ROWS: &'static [Refusal] = &[
        Refusal::value("driver-opt", network::NO_DRIVER_OPTIONS),
        Refusal::value("gw-priority", network::NO_PRIORITY).unless(&["0"]),
        Refusal::value("link", network::NO_LINKS),
        Refusal::value("link-local-ip", network::NO_LINK_LOCAL),
    ];
}

impl Arguments for Args {
    const WORDS: Words = Words::Exactly(2);

    fn command(self, words: Vec<String>, _: &dyn Caller) -> Read<Command> {
        self.refused.check()?;
        let Self { alias, ip, ip6, .. } = self;
        let mut words = words.into_iter();
        let network = words.next().unwrap_or_default();
        let container = words.next().unwrap_or_default();
        let endpoint = EndpointRequest { network, aliases: alias, ipv4: ip, ipv6: ip6, mac: None };
        Ok(Command::Network(NetworkCommand::Connect(ConnectRequest { container, endpoint })))
    }
}
