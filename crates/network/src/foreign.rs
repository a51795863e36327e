//! Firewalls of others. What one base chain drops stays dropped, whatever others accept: where somebody's chain drops
//! forwarded packets by default, two rules of ours go to its top. They are found again by their comment, or by what they say
//! where a tool has written them anew.

use crate::error::Result;
use crate::nft::constants::FORWARD;
use crate::nft::{
    ChainListed, Expression, Family, Rule, RuleListed, Source, Verdict, delete_rule, insert_rule,
    list_chains, list_rules, list_tables,
};
use crate::socket::Socket;
use crate::tables::{equals, load, verdict};
use crate::wire::{Batch, attribute, attributes, be32_of, text_of};

/// What the names of all bridges of all engines of this kind begin with.
pub(crate) const PREFIX: &str = "coracle";
/// The chain that docker leaves to others.
const DOCKER_USER: &str = "DOCKER-USER";
const COMMENTS: [&str; 2] = ["coracle: from containers", "coracle: to containers"];

/// A chain of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) family: Family,
    pub(crate) table: String,
    pub(crate) chain: String,
}

/// What stands in the way of forwarded packets.
#[derive(Debug, Default)]
pub(crate) struct Obstacles {
    /// Chains with the rules of ours that they lack, by number.
    pub(crate) lacking: Vec<(Place, Vec<usize>)>,
    /// Chains that have both.
    pub(crate) passing: Vec<Place>,
    /// Chains that drop, and are not of a kind into which rules of others may be put.
    pub(crate) closed: Vec<Place>,
}

/// Looks at the chains of others.
pub(crate) fn look(socket: &Socket, own_table: &str) -> Result<Obstacles> {
    let chains = list_chains(socket)?;
    let mut obstacles = Obstacles::default();
    let mut wanted = Vec::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        wanted.extend(in_filter(socket, &chains, family)?);
    }
    let firewalld = |chain: &&ChainListed| {
        (chain.family, chain.table.as_str(), chain.name.as_str())
            == (Family::Inet, "firewalld", "filter_FORWARD")
    };
    wanted.extend(chains.iter().find(firewalld).map(place));
    for place in wanted {
        let rules = list_rules(socket, place.family, &place.table, Some(&place.chain))?;
        let has = |number: &usize| rules.iter().any(|rule| is_ours(rule, *number));
        let lacking: Vec<usize> = (0..2).filter(|number| !has(number)).collect();
        match lacking.is_empty() {
            true => obstacles.passing.push(place),
            false => obstacles.lacking.push((place, lacking)),
        }
    }
    let ours = |chain: &ChainListed| chain.table == own_table;
    let covered = |chain: &ChainListed| {
        let filter = chain.table == "filter" && chain.name == "FORWARD";
        filter && matches!(chain.family, Family::Ipv4 | Family::Ipv6)
            || chain.family == Family::Inet && chain.table == "firewalld"
    };
    let closed = chains.iter().filter(|chain| drops_forwarded(chain) && !ours(chain) && !covered(chain));
    obstacles.closed = closed.map(place).collect();
    Ok(obstacles)
}

/// Chooses chains of the table that iptables, docker and ufw share: docker's own place for others if packets get there,
/// else the chain that drops.
fn in_filter(socket: &Socket, chains: &[ChainListed], family: Family) -> Result<Vec<Place>> {
    let find = |name: &str| {
        chains.iter().find(|chain| chain.family == family && chain.table == "filter" && chain.name == name)
    };
    let mut places = Vec::new();
    let docker = find(DOCKER_USER);
    places.extend(docker.map(place));
    if let Some(forward) = find("FORWARD").filter(|chain| drops_forwarded(chain)) {
        let rules = match docker {
            Some(_) => list_rules(socket, family, "filter", Some("FORWARD"))?,
            None => Vec::new(),
        };
        let name = DOCKER_USER.as_bytes();
        let jumps = |rule: &RuleListed| rule.expressions.windows(name.len()).any(|part| part == name);
        if !rules.iter().any(jumps) {
            places.push(place(forward));
        }
    }
    Ok(places)
}

fn drops_forwarded(chain: &ChainListed) -> bool {
    // Only where packets of IP come through; a bridge's own filter is another matter.
    chain.drops && chain.hook.is_some_and(|(hook, _)| hook == FORWARD) && chain.family != Family::Bridge
}

fn place(chain: &ChainListed) -> Place {
    Place { family: chain.family, table: chain.table.clone(), chain: chain.name.clone() }
}

/// Puts our rules where they are lacking.
pub(crate) fn ensure(socket: &Socket, own_table: &str) -> Result<()> {
    let mut batch = Batch::new();
    for (place, lacking) in look(socket, own_table)?.lacking {
        for number in lacking {
            insert_rule(&mut batch, place.family, &place.table, &place.chain, &rule(number));
        }
    }
    socket.apply(batch)
}

/// Takes our rules out, when no engine of this kind has a table left.
pub(crate) fn remove(socket: &Socket) -> Result<()> {
    if list_tables(socket)?.iter().any(|(_, name)| name.starts_with(PREFIX)) {
        return Ok(());
    }
    let mut batch = Batch::new();
    // Where they were wanted once they may not be now: docker makes its chain after it has made the other one drop.
    for place in list_chains(socket)?.iter().filter(|chain| may_hold(chain)).map(place) {
        for found in list_rules(socket, place.family, &place.table, Some(&place.chain))? {
            if (0..2).any(|number| is_ours(&found, number)) {
                delete_rule(&mut batch, place.family, &place.table, &place.chain, found.handle);
            }
        }
    }
    socket.apply(batch)
}

/// Whether rules of ours were ever put into a chain.
fn may_hold(chain: &ChainListed) -> bool {
    match chain.family {
        Family::Ipv4 | Family::Ipv6 => {
            chain.table == "filter" && [DOCKER_USER, "FORWARD"].contains(&chain.name.as_str())
        }
        Family::Inet => chain.table == "firewalld" && chain.name == "filter_FORWARD",
        Family::Bridge => false,
    }
}

/// Builds one of the two rules, as `iptables -i coracle+ -j ACCEPT` does: so it can list them.
fn rule(number: usize) -> Rule {
    let source = [Source::InInterface, Source::OutInterface][number];
    let expressions =
        vec![load(0, source), equals(0, PREFIX.as_bytes()), Expression::Counter, verdict(Verdict::Accept)];
    Rule { comment: COMMENTS[number], expressions }
}

/// Whether a rule is one of ours: by its comment, or accepts the interfaces by its first and only condition.
fn is_ours(found: &RuleListed, number: usize) -> bool {
    /// Keys of `meta` for the two interfaces.
    const KEYS: [u32; 2] = [6, 7];
    if found.comment.as_deref() == Some(COMMENTS[number]) {
        return true;
    }
    let mut steps = attributes(&found.expressions).filter_map(|(_, step)| {
        let name = text_of(attribute(step, 1)?);
        let data = attribute(step, 2).unwrap_or_default();
        let remark = name == "match" && attribute(data, 1).is_some_and(|kind| text_of(kind) == "comment");
        (name != "counter" && !remark).then_some((name, data))
    });
    let mut next = |wanted: &str| steps.next().filter(|(name, _)| name == wanted).map(|(_, data)| data);
    let key = next("meta").and_then(|data| attribute(data, 2)).and_then(be32_of);
    let name = next("cmp").and_then(|data| attribute(attribute(data, 3)?, 1)).map(<[u8]>::to_vec);
    let code = next("immediate").and_then(|data| attribute(attribute(attribute(data, 2)?, 2)?, 1));
    key == Some(KEYS[number])
        && name.as_deref() == Some(PREFIX.as_bytes())
        && code.and_then(be32_of) == Some(1)
}
