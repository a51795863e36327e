//! The table that frames from containers pass before a bridge sees them: each speaks with its own addresses, and as
//! nobody's router or DHCP server (CVE-2020-13401). Pure values.

use crate::nft::constants::{POSTROUTING, PREROUTING};
use crate::nft::{Base, Chain, Expression, Family, Field, Rule, Set, Source, Table, Verdict};
use crate::tables::{differs, equals, header, hook, isin, load, notin, rule, verdict};

/// Host ends of containers' pairs.
pub(crate) const PORTS: &str = "ports";
/// The hardware address of each.
pub(crate) const MACS: &str = "macs";
/// The addresses of each.
pub(crate) const SENDERS4: &str = "senders4";
pub(crate) const SENDERS6: &str = "senders6";

/// Host ends of containers that have no address of IPv6.
pub(crate) const WITHOUT_IPV6: &str = "without-ipv6";

const SETS: [Set; 5] = {
    use Field::{Interface, Ipv4, Ipv6, Mac};
    [
        Set { name: PORTS, key: &[Interface], value: &[] },
        Set { name: MACS, key: &[Interface, Mac], value: &[] },
        Set { name: SENDERS4, key: &[Interface, Mac, Ipv4], value: &[] },
        Set { name: SENDERS6, key: &[Interface, Mac, Ipv6], value: &[] },
        Set { name: WITHOUT_IPV6, key: &[Interface], value: &[] },
    ]
};

const ETHERNET_SOURCE: Source = header(Base::Link, 6, 6);
/// With a VLAN's tag, whether or not the driver has taken it off, this is the tag's own number.
const ETHERNET_KIND: Source = header(Base::Link, 12, 2);

const UDP: u8 = 17;
const ICMP6: u8 = 58;

/// Kinds of ICMPv6 (RFC 4861, section 4; RFC 2710; RFC 3810).
mod icmp6 {
    pub(super) const LISTENER_REPORT: u8 = 131;
    pub(super) const LISTENER_DONE: u8 = 132;
    pub(super) const ROUTER_ADVERTISEMENT: u8 = 134;
    pub(super) const NEIGHBOUR_SOLICITATION: u8 = 135;
    pub(super) const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
    pub(super) const REDIRECT: u8 = 137;
    pub(super) const LISTENER_REPORT_2: u8 = 143;
}

/// Returns the table that frames pass where a port of a bridge receives them, before br_netfilter does.
pub(crate) fn sender_table(name: &str) -> Table {
    let chains = vec![
        Chain { name: "resolution", hook: None, rules: arp() },
        Chain { name: "unspecified", hook: None, rules: unspecified() },
        Chain { name: "icmp6", hook: None, rules: icmp6() },
        Chain { name: "ipv4", hook: None, rules: ipv4() },
        Chain { name: "ipv6", hook: None, rules: ipv6() },
        Chain { name: "sender", hook: hook("filter", PREROUTING, -350), rules: sender() },
        Chain { name: "receiver", hook: hook("filter", POSTROUTING, 350), rules: receiver() },
    ];
    Table { family: Family::Bridge, name: name.to_owned(), sets: SETS.to_vec(), chains }
}

fn sender() -> Vec<Rule> {
    let kind = |number: u16, chain| {
        vec![load(0, ETHERNET_KIND), equals(0, &number.to_be_bytes()), verdict(Verdict::Goto(chain))]
    };
    vec![
        rule(
            "ports of others are not ours to judge",
            [vec![load(0, Source::InInterface), notin(0, PORTS), verdict(Verdict::Accept)]],
        ),
        rule(
            "hardware address of somebody else",
            [
                vec![load(0, Source::InInterface), load(4, ETHERNET_SOURCE), notin(0, MACS)],
                vec![verdict(Verdict::Drop)],
            ],
        ),
        rule("IPv4", [kind(0x0800, "ipv4")]),
        rule("IPv6", [kind(0x86dd, "ipv6")]),
        rule("ARP", [kind(0x0806, "resolution")]),
        rule("nothing else, no VLAN either", [vec![verdict(Verdict::Drop)]]),
    ]
}

/// A container without IPv6 hears none either: it would take an address from whoever advertises one (CVE-2024-32473).
fn receiver() -> Vec<Rule> {
    vec![rule(
        "no IPv6 where there is none",
        [
            vec![load(0, Source::OutInterface), isin(0, WITHOUT_IPV6)],
            vec![load(0, ETHERNET_KIND), equals(0, &0x86ddu16.to_be_bytes()), verdict(Verdict::Drop)],
        ],
    )]
}

/// RFC 826 over Ethernet: who speaks must be who sends, by both addresses; gratuitous ones have the same fields.
fn arp() -> Vec<Rule> {
    vec![
        rule(
            "addresses of IPv4 over Ethernet",
            [vec![
                load(0, header(Base::Network, 0, 6)),
                differs(0, &[0, 1, 8, 0, 6, 4]),
                verdict(Verdict::Drop),
            ]],
        ),
        rule(
            "speaks of itself",
            [
                vec![load(0, Source::InInterface), load(4, header(Base::Network, 8, 6))],
                vec![load(6, header(Base::Network, 14, 4)), isin(0, SENDERS4), verdict(Verdict::Accept)],
            ],
        ),
        rule("speaks of others", [vec![verdict(Verdict::Drop)]]),
    ]
}

fn ipv4() -> Vec<Rule> {
    vec![
        rule(
            "address of somebody else",
            [
                vec![load(0, Source::InInterface), load(4, ETHERNET_SOURCE)],
                vec![load(6, header(Base::Network, 12, 4)), notin(0, SENDERS4), verdict(Verdict::Drop)],
            ],
        ),
        rule("no DHCP server", [from_port(67), vec![verdict(Verdict::Drop)]]),
        rule("speaks as itself", [vec![verdict(Verdict::Accept)]]),
    ]
}

fn ipv6() -> Vec<Rule> {
    vec![
        rule(
            "address of somebody else, or IPv6 where there is none",
            [
                vec![load(0, Source::InInterface), load(4, ETHERNET_SOURCE)],
                vec![load(6, header(Base::Network, 8, 16)), notin(0, SENDERS6), verdict(Verdict::Drop)],
            ],
        ),
        rule(
            "no address yet",
            [vec![
                load(0, header(Base::Network, 8, 16)),
                equals(0, &[0; 16]),
                verdict(Verdict::Goto("unspecified")),
            ]],
        ),
        rule(
            "what hosts and routers say about themselves",
            [vec![load(0, Source::Protocol), equals(0, &[ICMP6]), verdict(Verdict::Goto("icmp6"))]],
        ),
        rule("no DHCP server", [from_port(547), vec![verdict(Verdict::Drop)]]),
        rule("speaks as itself", [vec![verdict(Verdict::Accept)]]),
    ]
}

/// Without an address one asks whether an address is free, and joins multicast groups (RFC 4862, section 5.4.2;
/// RFC 3590).
fn unspecified() -> Vec<Rule> {
    let mut rules = vec![rule(
        "nothing but ICMPv6",
        [vec![load(0, Source::Protocol), differs(0, &[ICMP6]), verdict(Verdict::Drop)]],
    )];
    for allowed in [
        icmp6::NEIGHBOUR_SOLICITATION,
        icmp6::LISTENER_REPORT,
        icmp6::LISTENER_DONE,
        icmp6::LISTENER_REPORT_2,
    ] {
        rules.push(rule("asks before it speaks", [icmp6_kind(allowed), vec![verdict(Verdict::Accept)]]));
    }
    rules.push(rule("says too much", [vec![verdict(Verdict::Drop)]]));
    rules
}

fn icmp6() -> Vec<Rule> {
    vec![
        rule("no router", [icmp6_kind(icmp6::ROUTER_ADVERTISEMENT), vec![verdict(Verdict::Drop)]]),
        rule("no router's redirect", [icmp6_kind(icmp6::REDIRECT), vec![verdict(Verdict::Drop)]]),
        rule(
            "speaks of others",
            [
                icmp6_kind(icmp6::NEIGHBOUR_ADVERTISEMENT),
                vec![load(0, Source::InInterface), load(4, ETHERNET_SOURCE)],
                vec![load(6, header(Base::Transport, 8, 16)), notin(0, SENDERS6), verdict(Verdict::Drop)],
            ],
        ),
        rule("speaks as itself", [vec![verdict(Verdict::Accept)]]),
    ]
}

fn icmp6_kind(kind: u8) -> Vec<Expression> {
    vec![load(0, header(Base::Transport, 0, 1)), equals(0, &[kind])]
}

fn from_port(port: u16) -> Vec<Expression> {
    vec![
        load(0, Source::Protocol),
        equals(0, &[UDP]),
        load(0, header(Base::Transport, 0, 2)),
        equals(0, &port.to_be_bytes()),
    ]
}
