//! What becomes of a question: answered here, sent on, or refused. Reads names, sends nothing.

use std::net::IpAddr;

use super::message::{self, Code, Query, Record};
use super::names::{Names, address_of_reverse};

/// What becomes of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    Answer(Vec<u8>),
    Forward,
}

/// Decides about a question. `turn` grows with each question, so that the owners of a shared name take turns at being
/// the first.
pub(super) fn decide(query: &Query<'_>, names: &Names, turn: usize, limit: usize) -> Decision {
    if let Some(records) = local(query, names, turn) {
        return Decision::Answer(query.reply(Code::NoError, &records, limit));
    }
    if names.may_forward() {
        return Decision::Forward;
    }
    // What Docker answers: unlike "no such name" it lets a program ask again, after a `network connect`.
    Decision::Answer(query.reply(Code::ServerFailure, &[], limit))
}

/// Returns the records of a name of ours, also when there are none of the wanted kind: such a question is nobody
/// else's, and one that is sent on (AAAA of a container with IPv4 alone) would be answered "no such name", which
/// some programs take for the whole name.
fn local(query: &Query<'_>, names: &Names, turn: usize) -> Option<Vec<Record>> {
    if !query.is_internet() {
        return None;
    }
    let name = query.name()?;
    if query.kind == message::PTR {
        let name = names.reverse(address_of_reverse(&name)?)?;
        return Some(vec![Record::Pointer(name)]);
    }
    let kind = query.kind;
    let mut addresses = names.lookup(&name, |address| match address {
        IpAddr::V4(_) => matches!(kind, message::A | message::ANY),
        IpAddr::V6(_) => matches!(kind, message::AAAA | message::ANY),
    })?;
    if !addresses.is_empty() {
        let first = turn % addresses.len();
        addresses.rotate_left(first);
    }
    Some(addresses.into_iter().map(Record::Address).collect())
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
