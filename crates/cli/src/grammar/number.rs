//! Whole numbers, with one wording for what is wrong.

use std::num::IntErrorKind;
use std::str::FromStr;

use engine::request::Limit;

use super::{Invalid, Read};

/// Reads a whole number that fits the type.
pub(crate) fn parse<N: FromStr<Err = std::num::ParseIntError>>(text: &str) -> Read<N> {
    text.parse().map_err(|error: std::num::ParseIntError| {
        Invalid::new(match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => format!("`{text}` is out of range"),
            _ => format!("`{text}` is not a whole number"),
        })
    })
}

/// Reads a count where -1 lifts the limit.
pub(crate) fn parse_limit(text: &str) -> Read<Limit> {
    match parse::<i64>(text)? {
        -1 => Ok(Limit::Unlimited),
        value => u64::try_from(value)
            .map(Limit::Max)
            .map_err(|_| Invalid::new(format!("`{text}` is negative")).hint("-1 means unlimited")),
    }
}

/// Reads a count of tasks, where 0 lifts the limit too.
pub(crate) fn parse_pids(text: &str) -> Read<Limit> {
    Ok(match parse_limit(text)? {
        Limit::Max(0) => Limit::Unlimited,
        limit => limit,
    })
}

#[cfg(test)]
#[test]
fn limits() {
    let rows = [
        ("-1", "Unlimited"),
        ("5", "Max(5)"),
        ("-2", "!`-2` is negative"),
        ("x", "!`x` is not a whole number"),
        ("99999999999999999999", "!`99999999999999999999` is out of range"),
    ];
    super::check::table(parse_limit, &rows);
    super::check::table(parse_pids, &[("0", "Unlimited"), ("-1", "Unlimited"), ("100", "Max(100)")]);
}
