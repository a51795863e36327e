//! What a network, an endpoint and a published port are in the sets of the firewall tables. Pure.

use std::net::{IpAddr, Ipv6Addr};

use crate::nft::{Element, Family};
use crate::tables::{
    ANY4, ANY6, BETWEEN, BRIDGES, INTERNAL, JOINED, LOOPS, MACS, MASQUERADE, PORTS, PORTS4, PORTS6, SENDERS4,
    SENDERS6, WITHOUT_IPV6,
};
use crate::{BridgeRules, EndpointRules, Mac, PortRule, Protocol};

/// Returns the elements of a network's bridge and of those joined to it.
pub(crate) fn of_bridge(rules: &BridgeRules, joined: &[String]) -> Vec<Element> {
    let mut elements = Vec::new();
    let bridges = || std::iter::once(rules.bridge.as_str()).chain(joined.iter().map(String::as_str));
    let mut member = |set, name: &str| elements.push(inet(set, interface(name).to_vec(), Vec::new()));
    for bridge in bridges() {
        member(BRIDGES, bridge);
        if rules.internal {
            member(INTERNAL, bridge);
        }
        if rules.masquerade {
            member(MASQUERADE, bridge);
        }
    }
    for bridge in joined {
        member(JOINED, bridge);
    }
    for from in bridges() {
        for to in bridges() {
            let pair = [interface(from), interface(to)].concat();
            if rules.between {
                elements.push(inet(BETWEEN, pair.clone(), Vec::new()));
            }
            elements.push(inet(LOOPS, pair, Vec::new()));
        }
    }
    elements
}

/// Returns the elements of a container's place on a bridge.
pub(crate) fn of_endpoint(rules: &EndpointRules) -> Vec<Element> {
    let mut elements = Vec::new();
    let mut member = |set, parts: &[&[u8]]| {
        let key = [&[&interface(&rules.interface)[..]], parts].concat().concat();
        elements.push(Element { family: Family::Bridge, set, key, value: Vec::new() });
    };
    let mac = mac(rules.mac);
    member(PORTS, &[]);
    member(MACS, &[&mac]);
    for address in &rules.addresses {
        match address {
            IpAddr::V4(address) => member(SENDERS4, &[&mac, &address.octets()]),
            IpAddr::V6(address) => member(SENDERS6, &[&mac, &address.octets()]),
        }
    }
    if rules.addresses.iter().any(IpAddr::is_ipv6) {
        member(SENDERS6, &[&mac, &link_local(rules.mac).octets()]);
        member(SENDERS6, &[&mac, &Ipv6Addr::UNSPECIFIED.octets()]);
    } else {
        member(WITHOUT_IPV6, &[]);
    }
    elements
}

/// Returns the element of a published port; none for one on `::1`, to which nothing can be led away, nor where host
/// and container speak different versions: those connections are passed on by the supervisor.
pub(crate) fn of_port(rule: &PortRule) -> Option<Element> {
    let host = rule.host.ip();
    if host == Ipv6Addr::LOCALHOST || !rule.is_led() {
        return None;
    }
    let set = match (host.is_ipv4(), host.is_unspecified()) {
        (true, false) => PORTS4,
        (false, false) => PORTS6,
        (true, true) => ANY4,
        (false, true) => ANY6,
    };
    let mut key = protocol(rule.protocol).to_vec();
    if !host.is_unspecified() {
        key.extend(octets(host));
    }
    key.extend(port(rule.host.port()));
    let mut value = octets(rule.container.ip());
    value.extend(port(rule.container.port()));
    Some(inet(set, key, value))
}

/// Returns the address that an interface with this hardware address has on its own network
/// (RFC 4291, appendix A).
pub(crate) fn link_local(Mac([a, b, c, d, e, f]): Mac) -> Ipv6Addr {
    let mut octets = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f];
    octets[2..8].fill(0);
    Ipv6Addr::from(octets)
}

/// Reads the name of an interface out of a key.
pub(crate) fn interface_of(key: &[u8]) -> String {
    crate::wire::text_of(key.get(..16).unwrap_or(key))
}

fn inet(set: &'static str, key: Vec<u8>, value: Vec<u8>) -> Element {
    Element { family: Family::Inet, set, key, value }
}

fn interface(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    // Names have at most 15 bytes; a longer one is nobody's.
    let length = name.len().min(15);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    bytes
}

fn mac(Mac([a, b, c, d, e, f]): Mac) -> [u8; 8] {
    [a, b, c, d, e, f, 0, 0]
}

fn protocol(protocol: Protocol) -> [u8; 4] {
    [protocol.number(), 0, 0, 0]
}

fn port(port: u16) -> [u8; 4] {
    let [high, low] = port.to_be_bytes();
    [high, low, 0, 0]
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::{link_local, of_bridge, of_endpoint, of_port};
    use crate::nft::Element;
    use crate::{BridgeRules, EndpointRules, PortRule, Protocol};

    fn sets(elements: &[Element]) -> Vec<&str> {
        elements.iter().map(|element| element.set).collect()
    }

    #[test]
    fn a_bridge_is_one_network_with_those_joined_to_it() {
        let rules = BridgeRules {
            bridge: "coracle0".into(),
            internal: false,
            between: true,
            masquerade: true,
            subnets: Vec::new(),
        };
        assert_eq!(sets(&of_bridge(&rules, &[])), ["bridges", "masquerade", "between", "loops"]);
        assert_eq!(of_bridge(&rules, &["coraclea".into()]).iter().filter(|e| e.set == "loops").count(), 4);
        let closed = BridgeRules { internal: true, between: false, masquerade: false, ..rules };
        assert_eq!(sets(&of_bridge(&closed, &[])), ["bridges", "internal", "loops"]);
    }

    #[test]
    fn only_who_has_ipv6_speaks_it() {
        let rules = EndpointRules {
            interface: "crc0".into(),
            mac: "02:42:0a:00:00:02".parse().unwrap(),
            addresses: vec!["10.0.0.2".parse().unwrap()],
        };
        assert_eq!(sets(&of_endpoint(&rules)), ["ports", "macs", "senders4", "without-ipv6"]);
        let both = EndpointRules {
            addresses: vec!["10.0.0.2".parse().unwrap(), "fd00::2".parse().unwrap()],
            ..rules.clone()
        };
        assert_eq!(sets(&of_endpoint(&both))[3..], ["senders6", "senders6", "senders6"]);
        assert_eq!(link_local(rules.mac).to_string(), "fe80::42:aff:fe00:2");
    }

    #[test]
    fn ports_go_to_the_map_of_their_address() {
        let element = |host: &str, container: &str| {
            of_port(&PortRule::new(Protocol::Udp, host.parse().unwrap(), container.parse().unwrap()))
        };
        let one = element("127.0.0.1:8080", "10.0.0.2:80").unwrap();
        assert_eq!(one.set, "ports4");
        assert_eq!(one.key, [17, 0, 0, 0, 127, 0, 0, 1, 0x1f, 0x90, 0, 0]);
        assert_eq!(one.value, [10, 0, 0, 2, 0, 80, 0, 0]);
        assert_eq!(element("0.0.0.0:53", "10.0.0.2:53").unwrap().key, [17, 0, 0, 0, 0, 53, 0, 0]);
        assert_eq!(element("[::]:53", "[fd00::2]:53").unwrap().set, "any6");
        assert_eq!(element("[::1]:53", "[fd00::2]:53"), None);
        assert_eq!(element("[::]:53", "10.0.0.2:53"), None);
    }
}
