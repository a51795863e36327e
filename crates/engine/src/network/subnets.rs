//! Which subnets a network gets: those asked for, where they overlap nothing, or free ones of small pools.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use network::Cidr;

use super::record::NetworkRecord;
use crate::error::{Error, Result};
use crate::paths::Engine;
use crate::request::SubnetRequest;

/// Where subnets are taken from, in this order: parts of the private ranges (RFC 1918) that neither home routers nor
/// Docker, podman and Kubernetes use first.
const POOLS: [&str; 3] = ["10.208.0.0/12", "172.16.0.0/12", "192.168.0.0/16"];
/// Subnets of networks that users make: 253 containers; more with `--subnet`.
const PREFIX: u8 = 24;
/// The default network takes what nobody has put elsewhere.
const PREFIX_DEFAULT: u8 = 18;

/// What a subnet must not overlap, with the words for it.
pub(super) type Occupied = Vec<(Cidr, String)>;

/// Lists what is taken: networks of the engine but for one, and routes of the host but for those of an interface that
/// the subnet is to be on.
pub(super) fn occupied(
    networks: &[NetworkRecord],
    apart_from: Option<&NetworkRecord>,
    interface: Option<&str>,
) -> Result<Occupied> {
    let mut occupied = Vec::new();
    for network in networks.iter().filter(|network| apart_from.is_none_or(|apart| apart.id != network.id)) {
        let subnets = network.subnets.iter();
        occupied.extend(subnets.map(|subnet| (subnet.subnet, format!("network `{}`", network.name))));
    }
    for route in network::host_routes()? {
        if interface != Some(&route.interface) {
            let words = format!("the host's route {} at `{}`", route.destination, route.interface);
            occupied.push((route.destination, words));
        }
    }
    Ok(occupied)
}

/// Returns what a subnet overlaps.
pub(super) fn overlap(subnet: Cidr, occupied: &Occupied) -> Option<&str> {
    occupied.iter().find(|(taken, _)| taken.overlaps(subnet)).map(|(_, words)| words.as_str())
}

/// Chooses the subnet of the default network: a large one where there is room.
pub(super) fn choose_default(engine: &Engine, networks: &[NetworkRecord]) -> Result<SubnetRequest> {
    let occupied = occupied(networks, None, None)?;
    choose(engine, PREFIX_DEFAULT, &occupied).or_else(|_| choose(engine, PREFIX, &occupied))
}

/// Chooses an IPv4 subnet for a network of the user's.
pub(super) fn choose_ipv4(engine: &Engine, occupied: &Occupied) -> Result<SubnetRequest> {
    choose(engine, PREFIX, occupied)
}

fn choose(engine: &Engine, prefix: u8, occupied: &Occupied) -> Result<SubnetRequest> {
    for pool in POOLS {
        let pool: Cidr = pool.parse().map_err(|_| Error::invalid(format!("{pool} is no pool")))?;
        let count = 1u128 << (prefix - pool.prefix);
        let start = first_choice(engine, count);
        for step in 0..count {
            let number = (start + step) % count;
            let Some(subnet) = Cidr::new(pool.at(number << (32 - prefix)), prefix) else { continue };
            if overlap(subnet, occupied).is_none() {
                return Ok(with_gateway(subnet));
            }
        }
    }
    Err(Error::conflict("no subnet is free: the host's routes and networks take all of the private ranges")
        .hint("give one with --subnet, or remove networks with `coracle network prune`"))
}

/// Engines side by side begin at different places, as they do not see each other's networks before they are in use.
fn first_choice(engine: &Engine, count: u128) -> u128 {
    if engine.run_root() == std::path::Path::new("/run/coracle") {
        return 0;
    }
    let bytes = engine.run_root().as_os_str().as_encoded_bytes();
    // FNV-1a, as for the names of interfaces.
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    u128::from(hash >> 16) % count
}

/// Chooses a unique local IPv6 subnet: random, as RFC 4193 section 3.2 wants it.
pub(super) fn choose_ipv6(occupied: &Occupied) -> Result<SubnetRequest> {
    loop {
        let mut bytes = [0u8; 16];
        rustix::rand::getrandom(&mut bytes[1..8], rustix::rand::GetRandomFlags::empty())
            .map_err(|errno| sys::Error::new("cannot get random numbers", errno))?;
        bytes[0] = 0xfd;
        let Some(subnet) = Cidr::new(Ipv6Addr::from(bytes).into(), 64) else { continue };
        if overlap(subnet, occupied).is_none() {
            return Ok(with_gateway(subnet));
        }
    }
}

/// A subnet whose first address is the gateway's.
pub(super) fn with_gateway(subnet: Cidr) -> SubnetRequest {
    SubnetRequest { subnet, gateway: Some(subnet.at(1)), range: None, reserved: BTreeMap::new() }
}

/// Checks a subnet as it was asked for, and gives it a gateway.
pub(super) fn checked(asked: &SubnetRequest, occupied: &Occupied) -> Result<SubnetRequest> {
    let subnet = asked.subnet.network();
    let refused = |what: String| Error::invalid(format!("subnet {subnet}: {what}"));
    if subnet.address != asked.subnet.address {
        return Err(Error::invalid(format!("invalid subnet {}: it should be {subnet}", asked.subnet)));
    }
    let address = subnet.address;
    let unusable = address.is_multicast() || address.is_loopback() || address.is_unspecified();
    let longest = if subnet.is_ipv4() { 30 } else { 126 };
    if unusable || subnet.prefix > longest {
        return Err(refused(format!(
            "a network needs a unicast subnet with a prefix of at most {longest} bits"
        )));
    }
    if let Some(words) = overlap(subnet, occupied) {
        return Err(Error::conflict(format!("invalid pool request: subnet {subnet} overlaps {words}"))
            .hint("choose another subnet, or leave --subnet out"));
    }
    let is_host = |address: IpAddr| {
        let last = subnet.is_ipv4().then(|| subnet.size() - 1);
        subnet.offset_of(address).is_some_and(|offset| offset != 0 && Some(offset) != last)
    };
    for (what, address) in asked
        .gateway
        .iter()
        .map(|gateway| ("gateway", *gateway))
        .chain(asked.reserved.iter().map(|(name, address)| (name.as_str(), *address)))
    {
        if !is_host(address) {
            return Err(refused(format!("{what} {address} is not an address of a host in it")));
        }
    }
    if let Some(range) = asked.range {
        let range = range.network();
        if range.prefix < subnet.prefix || !subnet.contains(range.address) {
            return Err(refused(format!("the range {range} is not a part of it")));
        }
    }
    // The first that is not reserved.
    let free = || (1..subnet.size().min(256)).map(|offset| subnet.at(offset));
    let gateway = asked
        .gateway
        .or_else(|| free().find(|address| !asked.reserved.values().any(|taken| taken == address)));
    Ok(SubnetRequest { gateway, range: asked.range.map(Cidr::network), ..asked.clone() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Occupied, checked, overlap};
    use crate::request::SubnetRequest;

    fn asked(subnet: &str, gateway: Option<&str>, range: Option<&str>) -> SubnetRequest {
        SubnetRequest {
            subnet: subnet.parse().unwrap(),
            gateway: gateway.map(|text| text.parse().unwrap()),
            range: range.map(|text| text.parse().unwrap()),
            reserved: BTreeMap::new(),
        }
    }

    #[test]
    fn subnets_are_taken_or_the_reason_told() {
        let occupied: Occupied = vec![("10.0.0.0/8".parse().unwrap(), "the host's route".into())];
        for (subnet, gateway, range, outcome) in [
            ("192.168.7.0/24", None, None, Ok("192.168.7.1")),
            ("192.168.7.0/24", Some("192.168.7.254"), None, Ok("192.168.7.254")),
            ("192.168.7.0/24", None, Some("192.168.7.128/25"), Ok("192.168.7.1")),
            ("fd00:1::/64", None, None, Ok("fd00:1::1")),
            ("192.168.7.5/24", None, None, Err("it should be 192.168.7.0/24")),
            ("10.9.0.0/16", None, None, Err("overlaps the host's route")),
            ("192.168.7.0/31", None, None, Err("at most 30 bits")),
            ("224.0.0.0/8", None, None, Err("unicast")),
            ("127.1.0.0/16", None, None, Err("unicast")),
            ("192.168.7.0/24", Some("192.168.8.1"), None, Err("gateway 192.168.8.1 is not")),
            ("192.168.7.0/24", Some("192.168.7.255"), None, Err("gateway 192.168.7.255 is not")),
            ("192.168.7.0/24", None, Some("192.168.0.0/16"), Err("is not a part of it")),
        ] {
            let found = checked(&asked(subnet, gateway, range), &occupied);
            match (found, outcome) {
                (Ok(found), Ok(gateway)) => assert_eq!(found.gateway.unwrap().to_string(), gateway),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (found, _) => panic!("{subnet}: {found:?}"),
            }
        }
        assert_eq!(overlap("10.1.0.0/24".parse().unwrap(), &occupied), Some("the host's route"));
    }

    #[test]
    fn a_reserved_address_is_not_made_the_gateway() {
        let mut asked = asked("192.168.7.0/24", None, None);
        asked.reserved.insert("router".into(), "192.168.7.1".parse().unwrap());
        let found = checked(&asked, &Vec::new()).unwrap();
        assert_eq!(found.gateway.unwrap().to_string(), "192.168.7.2");
    }
}
