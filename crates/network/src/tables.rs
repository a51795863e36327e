//! The engine's two firewall tables: which sets and which rules there are. Pure values; every network, endpoint and
//! port is an element of a set (`elements.rs`), so that the rules never change and the thousandth port costs what the
//! first did.
//!
//! ```text
//!   inet T     prerouting  -300 guard        127.0.0.0/8 is the host's own; joined bridges
//!              prerouting  -100 published    published ports → containers
//!              output      -100 published-local
//!              forward        0 forward      who may reach whom
//!              postrouting  100 postrouting  source addresses
//!   bridge T   prerouting  -350 sender       a port of a bridge speaks as itself alone
//!              postrouting  350 receiver     and hears no IPv6 where it has none
//! ```
//!
//! With br_netfilter (`net.bridge.bridge-nf-call-iptables`, which other engines switch on) the first table sees bridged
//! frames too: as packets from a bridge to itself, but without an incoming interface at postrouting.

use crate::nft::constants::{
    DESTINATION_CHANGED, ESTABLISHED_OR_RELATED, FORWARD, LOCAL, OUTPUT, POSTROUTING, PREROUTING,
};
use crate::nft::{Base, Chain, Expression, Family, Field, Hook, Rule, Set, Source, Table, Verdict};

mod sender;

pub(crate) use sender::{MACS, PORTS, SENDERS4, SENDERS6, WITHOUT_IPV6, sender_table};

/// Bridges of this engine.
pub(crate) const BRIDGES: &str = "bridges";
/// Those from which nothing leads elsewhere.
pub(crate) const INTERNAL: &str = "internal";
/// Those whose packets get the host's address on their way elsewhere.
pub(crate) const MASQUERADE: &str = "masquerade";
/// Second and further bridges of one network.
pub(crate) const JOINED: &str = "joined";
/// Pairs of bridges, mostly a bridge and itself, that are one network.
pub(crate) const LOOPS: &str = "loops";
/// Those of them whose containers may talk to each other.
pub(crate) const BETWEEN: &str = "between";
/// Published on one address of the host.
pub(crate) const PORTS4: &str = "ports4";
pub(crate) const PORTS6: &str = "ports6";
/// Published on all of them.
pub(crate) const ANY4: &str = "any4";
pub(crate) const ANY6: &str = "any6";

/// The sets of the table for IPv4 and IPv6.
const SETS: [Set; 10] = {
    use Field::{Interface, Ipv4, Ipv6, Port, Protocol};
    const fn set(name: &'static str, key: &'static [Field], value: &'static [Field]) -> Set {
        Set { name, key, value }
    }
    [
        set(BRIDGES, &[Interface], &[]),
        set(INTERNAL, &[Interface], &[]),
        set(MASQUERADE, &[Interface], &[]),
        set(JOINED, &[Interface], &[]),
        set(LOOPS, &[Interface, Interface], &[]),
        set(BETWEEN, &[Interface, Interface], &[]),
        set(PORTS4, &[Protocol, Ipv4, Port], &[Ipv4, Port]),
        set(PORTS6, &[Protocol, Ipv6, Port], &[Ipv6, Port]),
        set(ANY4, &[Protocol, Port], &[Ipv4, Port]),
        set(ANY6, &[Protocol, Port], &[Ipv6, Port]),
    ]
};

/// Returns the table that IPv4 and IPv6 packets pass.
pub(crate) fn packet_table(name: &str) -> Table {
    let chains = vec![
        Chain { name: "lead", hook: None, rules: lead() },
        Chain { name: "guard", hook: hook("filter", PREROUTING, -300), rules: guard() },
        Chain { name: "published", hook: hook("nat", PREROUTING, -100), rules: published() },
        Chain { name: "published-local", hook: hook("nat", OUTPUT, -100), rules: published_local() },
        Chain { name: "forward", hook: hook("filter", FORWARD, 0), rules: forward() },
        Chain { name: "postrouting", hook: hook("nat", POSTROUTING, 100), rules: postrouting() },
    ];
    Table { family: Family::Inet, name: name.to_owned(), sets: SETS.to_vec(), chains }
}

pub(super) fn hook(kind: &'static str, number: u32, priority: i32) -> Option<Hook> {
    Some(Hook { kind, number, priority })
}

/// Addresses of loopback become reachable from bridges by route_localnet, which published ports need.
fn guard() -> Vec<Rule> {
    vec![
        rule(
            "the host's loopback addresses are no business of containers",
            [
                vec![load(0, Source::InInterface), isin(0, BRIDGES)],
                ipv4(),
                to_loopback(),
                vec![verdict(Verdict::Drop)],
            ],
        ),
        rule(
            "what crosses two bridges of a network is tracked on the first alone",
            [
                vec![load(0, Source::InInterface), isin(0, JOINED)],
                vec![load(0, Source::ToWhat), differs(0, &LOCAL.to_ne_bytes())],
                vec![Expression::Untracked],
            ],
        ),
    ]
}

/// From elsewhere. What comes from the host itself has passed `published-local`: a packet with a loopback destination is
/// a neighbour's, for which ports published there do not exist (as moby's CVE-2025-54388).
fn published() -> Vec<Rule> {
    vec![
        rule(
            "loopback is reached from loopback alone",
            [ipv4(), to_loopback(), vec![verdict(Verdict::Return)]],
        ),
        rule("published ports", [vec![verdict(Verdict::Jump("lead"))]]),
    ]
}

fn published_local() -> Vec<Rule> {
    vec![rule("published ports", [vec![verdict(Verdict::Jump("lead"))]])]
}

/// Sends packets to published ports to their containers.
fn lead() -> Vec<Rule> {
    const SOURCE_AND_LOCAL: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    vec![
        rule(
            "ports are those of the host's own addresses",
            [vec![load(0, Source::ToWhat), differs(0, &LOCAL.to_ne_bytes())], vec![verdict(Verdict::Return)]],
        ),
        rule("published on one IPv4 address", [ipv4(), at_address(Family::Ipv4)]),
        rule("published on all IPv4 addresses", [ipv4(), at_any(Family::Ipv4)]),
        rule(
            "no other destination can be given to what goes to ::1",
            [ipv6(), vec![load(0, IPV6_DESTINATION), equals(0, &SOURCE_AND_LOCAL), verdict(Verdict::Return)]],
        ),
        rule("published on one IPv6 address", [ipv6(), at_address(Family::Ipv6)]),
        rule("published on all IPv6 addresses", [ipv6(), at_any(Family::Ipv6)]),
    ]
}

fn at_address(family: Family) -> Vec<Expression> {
    let (source, width, map) = match family {
        Family::Ipv6 => (IPV6_DESTINATION, 4, PORTS6),
        _ => (IPV4_DESTINATION, 1, PORTS4),
    };
    vec![
        load(0, Source::Protocol),
        load(1, source),
        load(1 + width, DESTINATION_PORT),
        Expression::Map { register: 0, map },
        Expression::Destination { family, address: 0, port: width },
    ]
}

fn at_any(family: Family) -> Vec<Expression> {
    let (width, map) = if family == Family::Ipv6 { (4, ANY6) } else { (1, ANY4) };
    vec![
        load(0, Source::Protocol),
        load(1, DESTINATION_PORT),
        Expression::Map { register: 0, map },
        Expression::Destination { family, address: 0, port: width },
    ]
}

/// Packets that have nothing to do with our bridges are left to others: a drop here could not be undone by them.
fn forward() -> Vec<Rule> {
    let to_ours = || vec![load(0, Source::OutInterface), isin(0, BRIDGES)];
    vec![
        rule("containers of a network reach each other", [pair(BETWEEN), vec![verdict(Verdict::Accept)]]),
        rule(
            "and each other's published ports",
            [pair(LOOPS), destination_changed(), vec![verdict(Verdict::Accept)]],
        ),
        rule(
            "nothing leaves an internal network",
            [vec![load(0, Source::InInterface), isin(0, INTERNAL), verdict(Verdict::Drop)]],
        ),
        rule(
            "answers",
            [
                to_ours(),
                vec![
                    load(0, Source::ConnectionState),
                    Expression::And { register: 0, mask: ESTABLISHED_OR_RELATED.to_ne_bytes().to_vec() },
                    differs(0, &[0; 4]),
                    verdict(Verdict::Accept),
                ],
            ],
        ),
        rule(
            "nothing enters an internal network",
            [vec![load(0, Source::OutInterface), isin(0, INTERNAL), verdict(Verdict::Drop)]],
        ),
        rule("published ports", [to_ours(), destination_changed(), vec![verdict(Verdict::Accept)]]),
        rule("nothing else comes in, from other networks either", [to_ours(), vec![verdict(Verdict::Drop)]]),
    ]
}

fn postrouting() -> Vec<Rule> {
    let to_ours = || vec![load(0, Source::OutInterface), isin(0, BRIDGES)];
    vec![
        rule(
            "answers from the same network must come back this way",
            [pair(LOOPS), destination_changed(), vec![Expression::Masquerade]],
        ),
        rule(
            "the same where the frame was bridged (br_netfilter)",
            [
                to_ours(),
                vec![load(0, Source::InInterface), equals(0, &[0; 16])],
                destination_changed(),
                vec![load(0, Source::FromWhat), differs(0, &LOCAL.to_ne_bytes()), Expression::Masquerade],
            ],
        ),
        rule(
            "containers cannot answer to the host's loopback addresses",
            [
                to_ours(),
                ipv4(),
                vec![load(0, header(Base::Network, 12, 1)), equals(0, &[127]), Expression::Masquerade],
            ],
        ),
        rule(
            "addresses of containers mean nothing elsewhere",
            [
                vec![load(0, Source::InInterface), isin(0, MASQUERADE)],
                vec![load(0, Source::OutInterface), notin(0, BRIDGES), Expression::Masquerade],
            ],
        ),
    ]
}

const IPV4_DESTINATION: Source = header(Base::Network, 16, 4);
const IPV6_DESTINATION: Source = header(Base::Network, 24, 16);
const DESTINATION_PORT: Source = header(Base::Transport, 2, 2);

pub(super) const fn header(base: Base, offset: u32, length: u32) -> Source {
    Source::Header { base, offset, length }
}

pub(super) fn rule<const N: usize>(comment: &'static str, parts: [Vec<Expression>; N]) -> Rule {
    Rule { comment, expressions: parts.into_iter().flatten().collect() }
}

pub(super) fn load(register: u32, source: Source) -> Expression {
    Expression::Load { register, source }
}

pub(super) fn equals(register: u32, value: &[u8]) -> Expression {
    Expression::Equals { register, value: value.to_vec() }
}

pub(super) fn differs(register: u32, value: &[u8]) -> Expression {
    Expression::Differs { register, value: value.to_vec() }
}

pub(super) fn isin(register: u32, set: &'static str) -> Expression {
    Expression::In { register, set }
}

pub(super) fn notin(register: u32, set: &'static str) -> Expression {
    Expression::NotIn { register, set }
}

pub(super) fn verdict(verdict: Verdict) -> Expression {
    Expression::Verdict(verdict)
}

fn ipv4() -> Vec<Expression> {
    vec![load(0, Source::Version), equals(0, &[Family::Ipv4.number()])]
}

fn ipv6() -> Vec<Expression> {
    vec![load(0, Source::Version), equals(0, &[Family::Ipv6.number()])]
}

fn to_loopback() -> Vec<Expression> {
    vec![load(0, header(Base::Network, 16, 1)), equals(0, &[127])]
}

/// From one bridge to another of the set; an interface's name fills four registers.
fn pair(set: &'static str) -> Vec<Expression> {
    vec![load(0, Source::InInterface), load(4, Source::OutInterface), isin(0, set)]
}

fn destination_changed() -> Vec<Expression> {
    vec![
        load(0, Source::ConnectionStatus),
        Expression::And { register: 0, mask: DESTINATION_CHANGED.to_ne_bytes().to_vec() },
        differs(0, &[0; 4]),
    ]
}

#[cfg(test)]
mod tests;
