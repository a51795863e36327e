//! Processors: how many (`--cpus 1.5`) and which (`--cpuset-cpus 0-3,7`).

use super::{Invalid, Read};

const NANO: u64 = 1_000_000_000;

/// Reads a decimal number of processors as billionths.
pub(crate) fn parse_nano(text: &str) -> Read<u64> {
    let bad = || Invalid::new(format!("failed to parse {text} as a rational number"));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.len() + fraction.len() == 0 {
        return Err(bad());
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 9 {
        return Err(Invalid::new("value is too precise"));
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| bad())? };
    let nano: u64 = format!("{fraction:0<9}").parse().map_err(|_| bad())?;
    let total = whole.checked_mul(NANO).and_then(|whole| whole.checked_add(nano)).ok_or_else(bad)?;
    if total != 0 && total < NANO / 100 {
        return Err(Invalid::new("range of CPUs starts at 0.01"));
    }
    Ok(total)
}

/// Checks a list of numbers and ranges and returns it unchanged.
pub(crate) fn parse_set(text: &str) -> Read<String> {
    let number = |text: &str| text.trim().parse::<u16>().ok();
    let entry = |entry: &str| match entry.split_once('-') {
        None => number(entry).is_some(),
        Some((first, last)) => number(first).zip(number(last)).is_some_and(|(first, last)| first <= last),
    };
    if text.split(',').all(entry) {
        Ok(text.to_owned())
    } else {
        Err(Invalid::new(format!("`{text}` is not a list of numbers and ranges")).hint("write it like 0-3,7"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::table;
    use super::*;

    #[test]
    fn counts() {
        let rows = [
            ("1", "1000000000"),
            ("0.5", "500000000"),
            (".25", "250000000"),
            ("1.", "1000000000"),
            ("1.500000000000", "1500000000"),
            ("0", "0"),
            ("0.0000000001", "!value is too precise"),
            ("0.001", "!range of CPUs starts at 0.01"),
            ("abc", "!failed to parse abc as a rational number"),
            ("-1", "!failed to parse -1 as a rational number"),
            (".", "!failed to parse . as a rational number"),
            ("99999999999999", "!failed to parse 99999999999999 as a rational number"),
        ];
        table(parse_nano, &rows);
    }

    #[test]
    fn sets() {
        let rows = [
            ("0", "\"0\""),
            ("0-3,7", "\"0-3,7\""),
            ("3-1", "!`3-1` is not a list of numbers and ranges"),
            ("", "!`` is not a list of numbers and ranges"),
            ("a", "!`a` is not a list of numbers and ranges"),
        ];
        table(parse_set, &rows);
    }
}
