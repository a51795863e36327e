//! The kernel's packet filter (nf_tables) as typed values: tables with sets and chains, and how they are said in
//! netlink. Which tables there are is decided elsewhere.

mod encode;
mod expression;
mod list;

use std::fmt;

pub(crate) use encode::{
    Operation, change_elements, change_elements_one_by_one, create_table, delete_rule, delete_table,
    insert_rule, replace_table,
};
pub(crate) use expression::{Base, Expression, Source, Verdict, constants};
pub(crate) use list::{ChainListed, RuleListed, list_chains, list_elements, list_rules, list_tables};

/// Which packets a table sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Family {
    /// IPv4 and IPv6.
    Inet,
    Ipv4,
    Ipv6,
    /// Frames that ports of bridges receive.
    Bridge,
}

impl Family {
    pub(crate) const ALL: [Self; 4] = [Self::Inet, Self::Ipv4, Self::Ipv6, Self::Bridge];

    /// Returns the number (linux/netfilter.h, `NFPROTO_*`).
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Ipv4 => 2,
            Self::Bridge => 7,
            Self::Ipv6 => 10,
        }
    }
}

impl fmt::Display for Family {
    /// Prints the name that `nft` has for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inet => "inet",
            Self::Ipv4 => "ip",
            Self::Ipv6 => "ip6",
            Self::Bridge => "bridge",
        })
    }
}

/// One part of a key or of a map's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Interface,
    Mac,
    Ipv4,
    Ipv6,
    Protocol,
    Port,
}

impl Field {
    /// Bytes in registers: whole words.
    pub(crate) fn width(self) -> usize {
        match self {
            Self::Interface | Self::Ipv6 => 16,
            Self::Mac => 8,
            Self::Ipv4 | Self::Protocol | Self::Port => 4,
        }
    }

    /// Number by which `nft list` knows how to print it (its datatype.h).
    fn datatype(self) -> u32 {
        match self {
            Self::Ipv4 => 7,
            Self::Ipv6 => 8,
            Self::Mac => 9,
            Self::Protocol => 12,
            Self::Port => 13,
            Self::Interface => 41,
        }
    }
}

/// A set, or a map if it has values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Set {
    pub(crate) name: &'static str,
    pub(crate) key: &'static [Field],
    pub(crate) value: &'static [Field],
}

/// Where a chain is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hook {
    /// `filter` or `nat`.
    pub(crate) kind: &'static str,
    pub(crate) number: u32,
    pub(crate) priority: i32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) name: &'static str,
    /// None for a chain that others jump to.
    pub(crate) hook: Option<Hook>,
    pub(crate) rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Shown by `nft list`; tells why the rule is there.
    pub(crate) comment: &'static str,
    pub(crate) expressions: Vec<Expression>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) family: Family,
    pub(crate) name: String,
    pub(crate) sets: Vec<Set>,
    pub(crate) chains: Vec<Chain>,
}

/// A member of a set or an entry of a map.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Element {
    pub(crate) family: Family,
    pub(crate) set: &'static str,
    pub(crate) key: Vec<u8>,
    /// Empty in a set.
    pub(crate) value: Vec<u8>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "table {} {}", self.family, self.name)?;
        for set in &self.sets {
            let value = if set.value.is_empty() { String::new() } else { format!(" → {:?}", set.value) };
            writeln!(f, "  {} {:?}{value}", set.name, set.key)?;
        }
        for chain in &self.chains {
            match chain.hook {
                Some(Hook { kind, number, priority }) => {
                    writeln!(f, "chain {}: {kind}, hook {number}, priority {priority}", chain.name)?;
                }
                None => writeln!(f, "chain {}", chain.name)?,
            }
            for rule in &chain.rules {
                writeln!(f, "  # {}", rule.comment)?;
                let words: Vec<String> = rule.expressions.iter().map(ToString::to_string).collect();
                writeln!(f, "  {}", words.join("; "))?;
            }
        }
        Ok(())
    }
}
