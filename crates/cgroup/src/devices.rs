//! The device rules of a container: their meaning, and the writes that put them into a v1 group.
//!
//! A request (kind, major, minor, some of read, write, mknod) is allowed if for each of its bits the last rule that covers the
//! device and the bit allows it. Where no rule covers it, it is denied.

use oci::runtime::DeviceRule;

use crate::error::{Error, Result};

/// Access bits as `BPF_DEVCG_ACC_*` of linux/bpf.h has them.
pub(crate) const MKNOD: u8 = 1;
pub(crate) const READ: u8 = 2;
pub(crate) const WRITE: u8 = 4;
const FULL: u8 = MKNOD | READ | WRITE;

/// Character or block device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceKind {
    Block,
    Char,
}

/// Which devices and which access a rule covers; `None` is any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cover {
    pub(crate) kind: DeviceKind,
    pub(crate) major: Option<u32>,
    pub(crate) minor: Option<u32>,
    pub(crate) access: u8,
}

/// A checked rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    All { allow: bool },
    Some { allow: bool, cover: Cover },
}

/// Returns the rules of the devices that every container has (runtime-spec 1.2, "Default Devices"), plus making any node.
///
/// `mknod` without opening is harmless and wanted by package managers; it is what Docker and runc allow.
pub fn default_devices() -> Vec<DeviceRule> {
    let rule = |kind: &str, major: Option<i64>, minor: Option<i64>, access: &str| DeviceRule {
        allow: true,
        kind: Some(kind.to_owned()),
        major,
        minor,
        access: Some(access.to_owned()),
    };
    // null, zero, full, random, urandom, tty, console, ptmx and the terminals.
    let open = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2)];
    let mut rules = vec![rule("c", None, None, "m"), rule("b", None, None, "m")];
    rules.extend(open.into_iter().map(|(major, minor)| rule("c", Some(major), Some(minor), "rwm")));
    rules.push(rule("c", Some(136), None, "rwm"));
    rules
}

/// Checks the rules of a specification.
pub(crate) fn parse_rules(rules: &[DeviceRule]) -> Result<Vec<Rule>> {
    let mut parsed = Vec::with_capacity(rules.len());
    for rule in rules {
        let major = number(rule, rule.major)?;
        let minor = number(rule, rule.minor)?;
        let access = access(rule)?;
        let allow = rule.allow;
        let some = |kind| Rule::Some { allow, cover: Cover { kind, major, minor, access } };
        match rule.kind.as_deref() {
            None | Some("a" | "") if (major, minor, access) == (None, None, FULL) => {
                parsed.push(Rule::All { allow })
            }
            // The kernel takes `a` as everything whatever follows; the specification means both kinds.
            None | Some("a" | "") => parsed.extend([some(DeviceKind::Block), some(DeviceKind::Char)]),
            Some("b") => parsed.push(some(DeviceKind::Block)),
            Some("c" | "u") => parsed.push(some(DeviceKind::Char)),
            Some(_) => return Err(refuse(rule, "the type is none of `a`, `b` and `c`")),
        }
    }
    Ok(parsed)
}

fn number(rule: &DeviceRule, number: Option<i64>) -> Result<Option<u32>> {
    match number {
        None | Some(-1) => Ok(None),
        // Device numbers have 12 and 20 bits; the instructions of the v2 filter take 31.
        Some(number) => match i32::try_from(number).ok().and_then(|number| u32::try_from(number).ok()) {
            Some(number) => Ok(Some(number)),
            None => Err(refuse(rule, "a device number is out of range")),
        },
    }
}

fn access(rule: &DeviceRule) -> Result<u8> {
    let Some(text) = rule.access.as_deref() else { return Ok(FULL) };
    let mut bits = 0;
    for letter in text.chars() {
        bits |= match letter {
            'r' => READ,
            'w' => WRITE,
            'm' => MKNOD,
            _ => return Err(refuse(rule, "the access has a letter other than `r`, `w` and `m`")),
        };
    }
    if bits == 0 { Err(refuse(rule, "the access is empty")) } else { Ok(bits) }
}

fn refuse(rule: &DeviceRule, reason: &str) -> Error {
    let part = |number: Option<i64>| number.map_or("*".to_owned(), |number| number.to_string());
    let value = format!(
        "{} {} {}:{} {}",
        if rule.allow { "allow" } else { "deny" },
        rule.kind.as_deref().unwrap_or("a"),
        part(rule.major),
        part(rule.minor),
        rule.access.as_deref().unwrap_or("rwm")
    );
    Error::invalid("device rule", value, reason)
}

/// The state of a v1 devices group: what holds for all, and the exceptions from it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DeviceList {
    pub(crate) allow_all: bool,
    exceptions: Vec<Cover>,
}

impl DeviceList {
    /// Reduces ordered rules to the kernel's form.
    ///
    /// Refused is what that form cannot say: an exception from an exception ("all of major 1, but not 1:3"). The kernel would take
    /// the write and ignore it.
    pub(crate) fn reduce(rules: &[Rule]) -> Result<Self> {
        let mut list = Self { allow_all: false, exceptions: Vec::new() };
        for rule in rules {
            match rule {
                Rule::All { allow } => list = Self { allow_all: *allow, exceptions: Vec::new() },
                Rule::Some { allow, cover } if *allow == list.allow_all => list.withdraw(cover)?,
                Rule::Some { cover, .. } => list.except(cover),
            }
        }
        Ok(list)
    }

    fn except(&mut self, cover: &Cover) {
        match self.exceptions.iter_mut().find(|known| known.same_devices(cover)) {
            Some(known) => known.access |= cover.access,
            None => self.exceptions.push(*cover),
        }
    }

    fn withdraw(&mut self, cover: &Cover) -> Result<()> {
        for known in &mut self.exceptions {
            if known.kind != cover.kind || known.access & cover.access == 0 {
                continue;
            }
            if within(known.major, cover.major) && within(known.minor, cover.minor) {
                known.access &= !cover.access;
            } else if meet(known.major, cover.major) && meet(known.minor, cover.minor) {
                let reason = format!("cgroup v1 cannot take it out of the earlier rule `{}`", known.line());
                return Err(Error::invalid("device rule", cover.line(), reason));
            }
        }
        self.exceptions.retain(|known| known.access != 0);
        Ok(())
    }

    /// Returns the values for the exceptions' file: `devices.allow`, or `devices.deny` where all is allowed.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        self.exceptions.iter().map(Cover::line)
    }
}

impl Cover {
    fn same_devices(&self, other: &Self) -> bool {
        (self.kind, self.major, self.minor) == (other.kind, other.major, other.minor)
    }

    fn line(&self) -> String {
        let part = |number: Option<u32>| number.map_or("*".to_owned(), |number| number.to_string());
        let letters = [(READ, "r"), (WRITE, "w"), (MKNOD, "m")];
        let access: String =
            letters.into_iter().filter(|(bit, _)| self.access & bit != 0).map(|(_, letter)| letter).collect();
        let kind = if self.kind == DeviceKind::Block { "b" } else { "c" };
        format!("{kind} {}:{} {access}", part(self.major), part(self.minor))
    }
}

/// Whether the first number or wildcard lies within the second.
fn within(inner: Option<u32>, outer: Option<u32>) -> bool {
    outer.is_none() || inner == outer
}

/// Whether two numbers or wildcards have a device in common.
fn meet(one: Option<u32>, other: Option<u32>) -> bool {
    one.is_none() || other.is_none() || one == other
}

#[cfg(test)]
#[path = "devices_tests.rs"]
mod tests;
