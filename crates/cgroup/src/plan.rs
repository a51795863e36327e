//! From the specification's limits to the writes that set them: pure, for v1 and v2.

pub(crate) mod v1;
pub(crate) mod v2;

use std::borrow::Cow;

use crate::error::Warning;

/// One value for one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Write {
    /// The limit in the user's words.
    pub(crate) limit: &'static str,
    pub(crate) file: Cow<'static, str>,
    pub(crate) value: String,
    /// What to write where the kernel does not offer the file.
    pub(crate) otherwise: Otherwise,
}

/// What follows from a file that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Otherwise {
    /// The limit is not in force; the user is told.
    Warn,
    /// Nothing: another write carries the limit.
    Skip,
    /// The same limit under its other name.
    Write { file: Cow<'static, str>, value: String },
}

/// The writes of one controller, in order; values that bound one another may be retried after the rest.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) writes: Vec<Write>,
    /// Limits that this version of cgroups does not know.
    pub(crate) warnings: Vec<Warning>,
}

impl Plan {
    fn write(&mut self, limit: &'static str, file: impl Into<Cow<'static, str>>, value: impl ToString) {
        self.push(limit, file, value, Otherwise::Warn);
    }

    fn push(
        &mut self,
        limit: &'static str,
        file: impl Into<Cow<'static, str>>,
        value: impl ToString,
        otherwise: Otherwise,
    ) {
        self.writes.push(Write { limit, file: file.into(), value: value.to_string(), otherwise });
    }

    fn unknown(&mut self, limit: &'static str, version: &str, remedy: &str) {
        self.warnings.push(Warning {
            limit: limit.to_owned(),
            reason: format!("cgroup {version} has no such limit"),
            remedy: remedy.to_owned(),
        });
    }
}

/// Treats zero as absent, as all engines do for the limits where the specification allows no zero.
fn set<T: Default + PartialEq + Copy>(value: Option<T>) -> Option<T> {
    value.filter(|value| *value != T::default())
}

/// The values of CPU shares that the kernel knows; it would silently bend others.
const SHARES: std::ops::RangeInclusive<u64> = 2..=262_144;

fn checked_shares(shares: Option<u64>) -> crate::Result<Option<u64>> {
    match set(shares) {
        Some(shares) if !SHARES.contains(&shares) => {
            Err(crate::Error::invalid("CPU shares", shares, "they go from 2 to 262144"))
        }
        shares => Ok(shares),
    }
}

fn checked_page_size(size: &str) -> crate::Result<&str> {
    // The size becomes part of a file's name.
    if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(crate::Error::invalid("huge page size", size, "write it like `2MB` or `1GB`"));
    }
    Ok(size)
}

fn checked_word<'t>(limit: &str, word: &'t str) -> crate::Result<&'t str> {
    if word.is_empty() || word.contains(char::is_whitespace) {
        return Err(crate::Error::invalid(limit, word, "it is empty or has white space"));
    }
    Ok(word)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
