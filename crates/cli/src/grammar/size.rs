//! Amounts of memory: `512m`, `1.5GiB`, `64kb`. Every unit is a power of 1024, as in Docker.

use engine::request::Limit;

use super::{Invalid, Read};

/// Reads a size in bytes.
pub(crate) fn parse(text: &str) -> Read<u64> {
    let invalid =
        || Invalid::new(format!("invalid size: '{text}'")).hint("write a number and b, k, m, g or t");
    let digits = text.rfind(|c: char| c.is_ascii_digit() || c == '.').ok_or_else(invalid)? + 1;
    let (number, rest) = text.split_at(digits);
    let suffix = rest.strip_prefix(' ').unwrap_or(rest);
    if !number.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Err(invalid());
    }
    let number: f64 = number.parse().map_err(|_| invalid())?;
    let factor = factor(suffix).ok_or_else(|| Invalid::new(format!("invalid suffix: '{suffix}'")))?;
    let bytes = number * factor;
    // A float this large rounds; Docker's own limit is that of a signed number.
    if bytes >= 9.2e18 {
        return Err(Invalid::new(format!("size too large: '{text}'")));
    }
    // The value is finite, not negative and below 2^63.
    Ok(bytes as u64)
}

/// Reads a size where -1 lifts the limit.
pub(crate) fn parse_limit(text: &str) -> Read<Limit> {
    if text == "-1" { Ok(Limit::Unlimited) } else { parse(text).map(Limit::Max) }
}

/// Returns how many bytes the unit stands for.
fn factor(suffix: &str) -> Option<f64> {
    let lower = suffix.to_ascii_lowercase();
    let mut letters = lower.chars();
    let exponent = match letters.next() {
        None => return Some(1.0),
        Some('b') => return letters.next().is_none().then_some(1.0),
        Some(unit) => "kmgtp".find(unit)? + 1,
    };
    let exponent = i32::try_from(exponent).ok()?;
    matches!(letters.as_str(), "" | "b" | "ib").then(|| 1024f64.powi(exponent))
}

#[cfg(test)]
#[test]
fn sizes() {
    let rows = [
        ("32", "32"),
        ("32b", "32"),
        ("32B", "32"),
        ("32k", "32768"),
        ("32KB", "32768"),
        ("32kib", "32768"),
        ("32 kB", "32768"),
        ("1.5g", "1610612736"),
        ("0", "0"),
        ("2T", "2199023255552"),
        (".3kB", "307"),
        ("abc", "!invalid size: 'abc'"),
        ("", "!invalid size: ''"),
        ("-32", "!invalid size: '-32'"),
        ("1.2.3m", "!invalid size: '1.2.3m'"),
        ("32bb", "!invalid suffix: 'bb'"),
        ("32x", "!invalid suffix: 'x'"),
        ("32kbs", "!invalid suffix: 'kbs'"),
        ("32  k", "!invalid suffix: ' k'"),
        ("9e9p", "!invalid size: '9e9p'"),
        ("99999p", "!size too large: '99999p'"),
    ];
    super::check::table(parse, &rows);
    super::check::table(
        parse_limit,
        &[("-1", "Unlimited"), ("1k", "Max(1024)"), ("-2", "!invalid size: '-2'")],
    );
}
