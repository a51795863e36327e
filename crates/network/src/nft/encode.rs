//! Changes of the packet filter as netlink messages, to be sent as one transaction.

use std::borrow::Cow;

use crate::nft::{Chain, Element, Family, Hook, Rule, Set, Table};
use crate::wire::{APPEND, Batch, CREATE, EXCLUSIVE};

/// Number of nf_tables among what nfnetlink leads to, in the upper byte of a message's kind.
const SUBSYSTEM: u16 = 10 << 8;
pub(super) const NEW_TABLE: u16 = SUBSYSTEM;
pub(super) const GET_TABLE: u16 = SUBSYSTEM | 1;
const DELETE_TABLE: u16 = SUBSYSTEM | 2;
pub(super) const NEW_CHAIN: u16 = SUBSYSTEM | 3;
pub(super) const GET_CHAIN: u16 = SUBSYSTEM | 4;
pub(super) const NEW_RULE: u16 = SUBSYSTEM | 6;
pub(super) const GET_RULE: u16 = SUBSYSTEM | 7;
const DELETE_RULE: u16 = SUBSYSTEM | 8;
const NEW_SET: u16 = SUBSYSTEM | 9;
pub(super) const NEW_ELEMENTS: u16 = SUBSYSTEM | 12;
pub(super) const GET_ELEMENTS: u16 = SUBSYSTEM | 13;
const DELETE_ELEMENTS: u16 = SUBSYSTEM | 14;

/// A list of elements is an attribute, and ends at 64 KiB.
const LIST_BYTES: usize = 32 << 10;

/// What happens to elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Add,
    Remove,
}

/// Returns the header of every message: family, version and a number that is not used here.
pub(super) fn header(family: Family) -> [u8; 4] {
    [family.number(), 0, 0, 0]
}

/// Says that a table is to be as given, whatever it was before. To be followed by its elements in the same batch.
pub(crate) fn replace_table(batch: &mut Batch, table: &Table) {
    // A table that is not there cannot be deleted, so it is created first.
    new_table(batch, table, 0);
    delete_table(batch, table.family, &table.name);
    fill_table(batch, table, 0);
}

/// Says that a table is to be created with all that is in it; refused if there is one.
pub(crate) fn create_table(batch: &mut Batch, table: &Table) {
    fill_table(batch, table, EXCLUSIVE);
}

pub(crate) fn delete_table(batch: &mut Batch, family: Family, name: &str) {
    let label = format!("delete firewall table `{family} {name}`");
    batch.message(DELETE_TABLE, 0, &header(family), label).put_text(1, name);
}

fn new_table(batch: &mut Batch, table: &Table, flags: u16) {
    let label = format!("create firewall table `{} {}`", table.family, table.name);
    batch
        .message(NEW_TABLE, CREATE | flags, &header(table.family), label)
        .put_text(1, &table.name)
        .put(6, &comment("made by coracle; put rules of your own into another table"));
}

fn fill_table(batch: &mut Batch, table: &Table, flags: u16) {
    new_table(batch, table, flags);
    for (number, set) in table.sets.iter().enumerate() {
        new_set(batch, table, set, number as u32 + 1);
    }
    for chain in &table.chains {
        new_chain(batch, table, chain);
    }
    for chain in &table.chains {
        for rule in &chain.rules {
            let label = format!("add a rule to chain `{}` of firewall table `{}`", chain.name, table.name);
            let place = (table.name.as_str(), chain.name);
            new_rule(batch, table.family, place, rule, APPEND, label);
        }
    }
}

fn new_set(batch: &mut Batch, table: &Table, set: &Set, id: u32) {
    const MAP: u32 = 8;
    let width = |fields: &[crate::nft::Field]| fields.iter().map(|field| field.width() as u32).sum();
    // `nft` packs the types of a concatenation into one number, six bits each.
    let datatype =
        |fields: &[crate::nft::Field]| fields.iter().fold(0, |all, field| (all << 6) | field.datatype());
    let label = format!("create set `{}` of firewall table `{}`", set.name, table.name);
    batch.message(NEW_SET, CREATE, &header(table.family), label);
    batch.put_text(1, &table.name).put_text(2, set.name);
    batch.put_be32(3, if set.value.is_empty() { 0 } else { MAP });
    batch.put_be32(4, datatype(set.key)).put_be32(5, width(set.key));
    if !set.value.is_empty() {
        batch.put_be32(6, datatype(set.value)).put_be32(7, width(set.value));
    }
    batch.put_be32(10, id);
    if let [crate::nft::Field::Interface] = set.key {
        // For `nft list`: a name by itself is in the machine's order, whatever that is of a text.
        batch.put(13, &[&[0, 4][..], &1u32.to_ne_bytes()].concat());
    }
}

fn new_chain(batch: &mut Batch, table: &Table, chain: &Chain) {
    const ACCEPT: u32 = 1;
    let label = format!("create chain `{}` of firewall table `{}`", chain.name, table.name);
    batch.message(NEW_CHAIN, CREATE, &header(table.family), label);
    batch.put_text(1, &table.name).put_text(3, chain.name);
    if let Some(Hook { kind, number, priority }) = chain.hook {
        batch.nest(4, |hook| {
            hook.put_be32(1, number).put(2, &priority.to_be_bytes());
        });
        batch.put_be32(5, ACCEPT).put_text(7, kind);
    }
}

fn new_rule(
    batch: &mut Batch,
    family: Family,
    (table, chain): (&str, &str),
    rule: &Rule,
    flags: u16,
    label: String,
) {
    batch.message(NEW_RULE, CREATE | flags, &header(family), label);
    batch.put_text(1, table).put_text(2, chain);
    batch.nest(4, |list| rule.expressions.iter().for_each(|expression| expression.encode(list)));
    batch.put(7, &comment(rule.comment));
}

/// Puts a rule before all others of a chain, which may be somebody else's.
pub(crate) fn insert_rule(batch: &mut Batch, family: Family, table: &str, chain: &str, rule: &Rule) {
    let label = format!("let packets through chain `{chain}` of firewall table `{family} {table}`");
    new_rule(batch, family, (table, chain), rule, 0, label);
}

pub(crate) fn delete_rule(batch: &mut Batch, family: Family, table: &str, chain: &str, handle: u64) {
    let label = format!("take a rule of ours out of chain `{chain}` of firewall table `{family} {table}`");
    batch.message(DELETE_RULE, 0, &header(family), label);
    batch.put_text(1, table).put_text(2, chain).put_be64(3, handle);
}

/// Returns a comment as `nft` keeps it: kind 0, length, text with a NUL.
fn comment(text: &str) -> Vec<u8> {
    let mut bytes = vec![0, text.len() as u8 + 1];
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(0);
    bytes
}

/// Adds elements to sets of a table of this name, or removes them, with as few messages as may be. They must be sorted.
pub(crate) fn change_elements(batch: &mut Batch, operation: Operation, table: &str, elements: &[Element]) {
    for group in elements.chunk_by(|one, other| (one.family, one.set) == (other.family, other.set)) {
        let mut rest = group;
        while let Some(first) = rest.first() {
            let size = first.key.len() + first.value.len() + 24;
            let (now, later) = rest.split_at(rest.len().min(LIST_BYTES / size));
            element_message(batch, operation, table, now);
            rest = later;
        }
    }
}

/// As [`change_elements`], with a message for each, so that refusals tell which.
pub(crate) fn change_elements_one_by_one(
    batch: &mut Batch,
    operation: Operation,
    table: &str,
    elements: &[Element],
) {
    for element in elements {
        element_message(batch, operation, table, std::slice::from_ref(element));
    }
}

fn element_message(batch: &mut Batch, operation: Operation, table: &str, elements: &[Element]) {
    let Some(first) = elements.first() else { return };
    let (kind, flags, label) = match operation {
        Operation::Add => (NEW_ELEMENTS, CREATE, "add to a set of the firewall"),
        Operation::Remove => (DELETE_ELEMENTS, 0, "take out of a set of the firewall"),
    };
    batch.message(kind, flags, &header(first.family), Cow::Borrowed(label));
    batch.put_text(1, table).put_text(2, first.set).nest(3, |list| {
        for element in elements {
            list.nest(1, |inner| {
                inner.nest(1, |key| {
                    key.put(1, &element.key);
                });
                if operation == Operation::Add && !element.value.is_empty() {
                    inner.nest(2, |value| {
                        value.put(1, &element.value);
                    });
                }
            });
        }
    });
}
