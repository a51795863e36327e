//! Spans of time: `1h30m`, `1.5s`, `300ms`; and whole seconds where Docker wants those.

use std::time::Duration;

use engine::request::Timeout;

use super::{Invalid, Read, number};

/// Reads a span as Go writes it, in nanoseconds; it may be negative.
pub(crate) fn parse_nanos(text: &str) -> Option<i128> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number_end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        total = total.checked_add(decimal_times(number, unit_nanos(unit)?)?)?;
        rest = after;
    }
    Some(if negative { -total } else { total })
}

fn unit_nanos(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// Multiplies a decimal number, cutting what is smaller than one.
fn decimal_times(number: &str, factor: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()?.into() };
    let mut value = whole.checked_mul(factor)?;
    let mut place = factor;
    for digit in fraction.chars() {
        place /= 10;
        value += i128::from(digit.to_digit(10)?) * place;
    }
    Some(value)
}

/// Reads seconds to wait before killing; -1 waits for ever.
pub(crate) fn parse_timeout(text: &str) -> Read<Timeout> {
    match number::parse::<i64>(text)? {
        ..=-1 => Ok(Timeout::Never),
        seconds => Ok(Timeout::After(Duration::from_secs(seconds.unsigned_abs()))),
    }
}

/// Reads seconds where a negative number is an error.
pub(crate) fn parse_stop_timeout(text: &str) -> Read<Timeout> {
    match number::parse::<i64>(text)? {
        -1 => Ok(Timeout::Never),
        ..-1 => Err(Invalid::new(format!("`{text}` is negative")).hint("-1 waits for ever")),
        seconds => Ok(Timeout::After(Duration::from_secs(seconds.unsigned_abs()))),
    }
}

#[cfg(test)]
#[test]
fn spans() {
    for (text, expected) in [
        ("0", Some(0)),
        ("1s", Some(1_000_000_000)),
        ("1h30m", Some(5_400_000_000_000)),
        ("1.5s", Some(1_500_000_000)),
        (".5ms", Some(500_000)),
        ("-2m", Some(-120_000_000_000)),
        ("10us3ns", Some(10_003)),
        ("", None),
        ("5", None),
        ("s", None),
        (".s", None),
        ("1d", None),
        ("1..2s", None),
    ] {
        assert_eq!(parse_nanos(text), expected, "{text}");
    }
    super::check::table(
        parse_timeout,
        &[("10", "After(10s)"), ("-1", "Never"), ("x", "!`x` is not a whole number")],
    );
    super::check::table(
        parse_stop_timeout,
        &[("0", "After(0ns)"), ("-1", "Never"), ("-2", "!`-2` is negative")],
    );
}
