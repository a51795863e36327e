//! Subnets of a new network, and what belongs to which: gateways, ranges, reserved addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;

use engine::request::{Cidr, SubnetRequest};

use super::{Invalid, Read};

/// Addresses of a new network as typed, not yet matched.
#[derive(Debug, Clone, Default)]
pub(crate) struct Addresses {
    pub(crate) subnets: Vec<Cidr>,
    pub(crate) ranges: Vec<Cidr>,
    pub(crate) gateways: Vec<IpAddr>,
    pub(crate) reserved: Vec<(String, IpAddr)>,
}

/// Reads the value of `--subnet`.
pub(crate) fn parse_subnet(text: &str) -> Read<Cidr> {
    parse_block("subnet", text)
}

/// Reads the value of `--ip-range`.
pub(crate) fn parse_range(text: &str) -> Read<Cidr> {
    parse_block("ip-range", text)
}

fn parse_block(what: &str, text: &str) -> Read<Cidr> {
    let Ok(block) = text.parse::<Cidr>() else {
        return Err(Invalid::new(format!("invalid {what} {text}: invalid CIDR block notation"))
            .hint("write an address and the length of its prefix, such as 172.28.0.0/16"));
    };
    let network = block.network();
    if network == block {
        return Ok(block);
    }
    Err(Invalid::new(format!("invalid {what} {text}: it should be {network}")))
}

/// Reads the value of `--gateway`.
pub(crate) fn parse_gateway(text: &str) -> Read<IpAddr> {
    text.parse().map_err(|_| {
        Invalid::new(format!("invalid gateway {text}: invalid address"))
            .hint("write one address of the subnet, such as 172.28.0.1")
    })
}

/// Reads the value of `--aux-address`.
pub(crate) fn parse_reserved(text: &str) -> Read<(String, IpAddr)> {
    let read = text.split_once('=').and_then(|(name, address)| {
        let address = address.parse().ok()?;
        (!name.is_empty()).then(|| (name.to_owned(), address))
    });
    read.ok_or_else(|| {
        Invalid::new(format!("invalid auxiliary address {text}"))
            .hint("write NAME=ADDRESS, such as router=172.28.0.2")
    })
}

impl Addresses {
    /// Gives each address to the subnet that contains it.
    pub(crate) fn matched(self) -> Read<Vec<SubnetRequest>> {
        let mut matched: Vec<SubnetRequest> = Vec::new();
        for subnet in self.subnets {
            if let Some(other) = matched.iter().find(|other| other.subnet.overlaps(subnet)) {
                return Err(Invalid::new(format!(
                    "multiple overlapping subnet configuration is not supported: {} and {subnet}",
                    other.subnet
                ))
                .hint("give each subnet once"));
            }
            matched.push(SubnetRequest { subnet, gateway: None, range: None, reserved: BTreeMap::new() });
        }
        for range in self.ranges {
            let request = find(&mut matched, range.address, &format!("range {range}"))?;
            let subnet = request.subnet;
            if range.prefix < subnet.prefix {
                let text =
                    format!("invalid ip-range {range}: CIDR block is bigger than its parent subnet {subnet}");
                return Err(Invalid::new(text).hint("a range is a part of its subnet"));
            }
            if let Some(first) = request.range.replace(range) {
                return Err(twice("ranges", &range.to_string(), &first.to_string(), subnet));
            }
        }
        for gateway in self.gateways {
            let request = find(&mut matched, gateway, &format!("gateway {gateway}"))?;
            if let Some(first) = request.gateway.replace(gateway) {
                return Err(twice("gateways", &gateway.to_string(), &first.to_string(), request.subnet));
            }
        }
        for (name, address) in self.reserved {
            find(&mut matched, address, &format!("aux-address {address}"))?.reserved.insert(name, address);
        }
        Ok(matched)
    }
}

fn find<'a>(subnets: &'a mut [SubnetRequest], address: IpAddr, what: &str) -> Read<&'a mut SubnetRequest> {
    let known = subnets.iter().map(|request| request.subnet.to_string()).collect::<Vec<_>>().join(", ");
    subnets.iter_mut().find(|request| request.subnet.contains(address)).ok_or_else(|| {
        Invalid::new(format!("no matching subnet for {what}")).hint(match known.as_str() {
            "" => "name its subnet with --subnet".to_owned(),
            known => format!("it must be inside of {known}"),
        })
    })
}

fn twice(what: &str, second: &str, first: &str, subnet: Cidr) -> Invalid {
    Invalid::new(format!(
        "cannot configure multiple {what} ({second}, {first}) on the same subnet ({subnet})"
    ))
    .hint("give each subnet one at most")
}

#[cfg(test)]
mod tests {
    use super::super::check::table;
    use super::*;

    #[test]
    fn values() {
        let show = |text: &str| parse_subnet(text).map(|subnet| subnet.to_string());
        let rows = [
            ("10.1.0.0/16", "\"10.1.0.0/16\""),
            ("fd00:1::/64", "\"fd00:1::/64\""),
            ("10.1.2.3/32", "\"10.1.2.3/32\""),
            ("10.1.2.3/16", "!invalid subnet 10.1.2.3/16: it should be 10.1.0.0/16"),
            ("fd00::1/64", "!invalid subnet fd00::1/64: it should be fd00::/64"),
            ("10.1.0.0", "!invalid subnet 10.1.0.0: invalid CIDR block notation"),
            ("10.1.0.0/33", "!invalid subnet 10.1.0.0/33: invalid CIDR block notation"),
            ("10.1.0.0/+8", "!invalid subnet 10.1.0.0/+8: invalid CIDR block notation"),
            ("10.1/16", "!invalid subnet 10.1/16: invalid CIDR block notation"),
            ("", "!invalid subnet : invalid CIDR block notation"),
        ];
        table(show, &rows);
        let range = |text: &str| parse_range(text).map(|range| range.to_string());
        table(range, &[("10.1.1.1/24", "!invalid ip-range 10.1.1.1/24: it should be 10.1.1.0/24")]);
        let gateways =
            [("10.1.0.1", "10.1.0.1"), ("::1", "::1"), ("x", "!invalid gateway x: invalid address")];
        table(parse_gateway, &gateways);
        let reserved = [
            ("a=10.1.0.2", "(\"a\", 10.1.0.2)"),
            ("a", "!invalid auxiliary address a"),
            ("=10.1.0.2", "!invalid auxiliary address =10.1.0.2"),
            ("a=x", "!invalid auxiliary address a=x"),
        ];
        table(parse_reserved, &reserved);
    }

    /// Reads words: `s` subnet, `r` range, `g` gateway, `x` reserved.
    fn show(text: &str) -> Read<String> {
        let mut addresses = Addresses::default();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let value = &word[1..];
            match &word[..1] {
                "s" => addresses.subnets.push(parse_subnet(value)?),
                "r" => addresses.ranges.push(parse_range(value)?),
                "g" => addresses.gateways.push(parse_gateway(value)?),
                _ => addresses.reserved.push(parse_reserved(value)?),
            }
        }
        let show = |request: SubnetRequest| {
            let range = request.range.map(|range| range.to_string());
            format!("{} {range:?} {:?} {:?}", request.subnet, request.gateway, request.reserved)
                .replace('"', "'")
        };
        Ok(addresses.matched()?.into_iter().map(show).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn matches() {
        let rows = [
            ("", "\"\""),
            (
                "sfd00::/64 s10.1.0.0/16 g10.1.0.9 gfd00::9 r10.1.4.0/24 xa=10.1.0.2 xb=10.1.0.3",
                "\"fd00::/64 None Some(fd00::9) {}; 10.1.0.0/16 Some('10.1.4.0/24') Some(10.1.0.9) {'a': 10.1.0.2, 'b': 10.1.0.3}\"",
            ),
            ("g10.1.0.1", "!no matching subnet for gateway 10.1.0.1"),
            ("s10.1.0.0/16 g10.2.0.1", "!no matching subnet for gateway 10.2.0.1"),
            ("s10.1.0.0/16 gfd00::1", "!no matching subnet for gateway fd00::1"),
            ("s10.1.0.0/16 r10.2.0.0/24", "!no matching subnet for range 10.2.0.0/24"),
            ("s10.1.0.0/16 r10.0.0.0/8", "!no matching subnet for range 10.0.0.0/8"),
            (
                "s10.0.0.0/16 r10.0.0.0/8",
                "!invalid ip-range 10.0.0.0/8: CIDR block is bigger than its parent subnet 10.0.0.0/16",
            ),
            ("s10.1.0.0/16 xa=10.2.0.2", "!no matching subnet for aux-address 10.2.0.2"),
            (
                "s10.1.0.0/16 g10.1.0.1 g10.1.0.2",
                "!cannot configure multiple gateways (10.1.0.2, 10.1.0.1) on the same subnet (10.1.0.0/16)",
            ),
            (
                "s10.1.0.0/16 r10.1.1.0/24 r10.1.2.0/24",
                "!cannot configure multiple ranges (10.1.2.0/24, 10.1.1.0/24) on the same subnet (10.1.0.0/16)",
            ),
            (
                "s10.1.0.0/16 s10.1.2.0/24",
                "!multiple overlapping subnet configuration is not supported: 10.1.0.0/16 and 10.1.2.0/24",
            ),
        ];
        table(show, &rows);
    }
}
