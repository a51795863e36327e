//! What the packet filter holds, ours and that of others, read by dumps.

use crate::error::Result;
use crate::nft::Family;
use crate::nft::encode::{
    GET_CHAIN, GET_ELEMENTS, GET_RULE, GET_TABLE, NEW_CHAIN, NEW_ELEMENTS, NEW_RULE, NEW_TABLE, header,
};
use crate::socket::Socket;
use crate::wire::{self, Batch, DUMP, attributes, be32_of, text_of};

/// Bytes before the attributes of a message.
const HEADER: usize = 4;

/// A chain of anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChainListed {
    pub(crate) family: Family,
    pub(crate) table: String,
    pub(crate) name: String,
    /// Number of the hook and priority; none for a chain that others jump to.
    pub(crate) hook: Option<(u32, i32)>,
    /// Whether what no rule decides is dropped.
    pub(crate) drops: bool,
}

/// A rule of anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RuleListed {
    pub(crate) chain: String,
    pub(crate) handle: u64,
    /// The list of expressions, as the kernel writes it.
    pub(crate) expressions: Vec<u8>,
    pub(crate) comment: Option<String>,
}

/// Lists the names of all tables.
pub(crate) fn list_tables(socket: &Socket) -> Result<Vec<(Family, String)>> {
    let mut request = Batch::new();
    request.message(GET_TABLE, DUMP, &[0; 4], "list firewall tables");
    socket.dump(request, |found: &mut Vec<_>, message| {
        let name = message.attributes(HEADER).find(|(kind, _)| *kind == 1);
        if let (NEW_TABLE, Some(family), Some((_, name))) = (message.kind, family_of(message.body), name) {
            found.push((family, text_of(name)));
        }
    })
}

/// Lists the chains of all tables of the families that packets of containers pass.
pub(crate) fn list_chains(socket: &Socket) -> Result<Vec<ChainListed>> {
    let mut request = Batch::new();
    request.message(GET_CHAIN, DUMP, &[0; 4], "list firewall chains");
    socket.dump(request, |found: &mut Vec<_>, message| {
        if message.kind == NEW_CHAIN {
            found.extend(chain_of(message.body));
        }
    })
}

fn chain_of(body: &[u8]) -> Option<ChainListed> {
    let family = family_of(body)?;
    let mut chain =
        ChainListed { family, table: String::new(), name: String::new(), hook: None, drops: false };
    for (kind, value) in attributes(body.get(HEADER..)?) {
        match kind {
            1 => chain.table = text_of(value),
            3 => chain.name = text_of(value),
            4 => {
                let number = wire::attribute(value, 1).and_then(be32_of)?;
                let priority = wire::attribute(value, 2).and_then(be32_of)?;
                chain.hook = Some((number, priority.cast_signed()));
            }
            5 => chain.drops = be32_of(value) == Some(0),
            _ => {}
        }
    }
    Some(chain)
}

/// Lists the rules of a table, or of one chain of it. None where there is no such table.
pub(crate) fn list_rules(
    socket: &Socket,
    family: Family,
    table: &str,
    chain: Option<&str>,
) -> Result<Vec<RuleListed>> {
    let mut request = Batch::new();
    request.message(GET_RULE, DUMP, &header(family), "list firewall rules").put_text(1, table);
    if let Some(chain) = chain {
        request.put_text(2, chain);
    }
    socket.dump(request, |found: &mut Vec<_>, message| {
        if message.kind == NEW_RULE {
            found.extend(rule_of(message.body));
        }
    })
}

fn rule_of(body: &[u8]) -> Option<RuleListed> {
    let mut rule = RuleListed { chain: String::new(), handle: 0, expressions: Vec::new(), comment: None };
    for (kind, value) in attributes(body.get(HEADER..)?) {
        match kind {
            2 => rule.chain = text_of(value),
            3 => rule.handle = u64::from_be_bytes(value.try_into().ok()?),
            4 => rule.expressions = value.to_vec(),
            // Kind 0 is a comment, then its length.
            7 if value.first() == Some(&0) => rule.comment = value.get(2..).map(text_of),
            _ => {}
        }
    }
    Some(rule)
}

/// Lists the elements of a set or map as keys and values. None where there is no such table or set.
pub(crate) fn list_elements(
    socket: &Socket,
    family: Family,
    table: &str,
    set: &str,
) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut request = Batch::new();
    request
        .message(GET_ELEMENTS, DUMP, &header(family), "list the elements of a set of the firewall")
        .put_text(1, table)
        .put_text(2, set);
    let found = socket.dump(request, |found: &mut Vec<_>, message| {
        let list = message.attributes(HEADER).find(|(kind, _)| *kind == 3);
        if let (NEW_ELEMENTS, Some((_, list))) = (message.kind, list) {
            found.extend(attributes(list).filter_map(|(_, element)| {
                let part = |kind| wire::attribute(wire::attribute(element, kind)?, 1);
                Some((part(1)?.to_vec(), part(2).unwrap_or_default().to_vec()))
            }));
        }
    });
    match found {
        Err(error) if error.errno() == Some(rustix::io::Errno::NOENT) => Ok(Vec::new()),
        other => other,
    }
}

fn family_of(body: &[u8]) -> Option<Family> {
    Family::ALL.into_iter().find(|family| Some(&family.number()) == body.first())
}
