//! Go's durations: `1h2m3.5s`, `300ms`.

/// Nanoseconds of each unit.
const UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Returns nanoseconds.
pub(super) fn nanoseconds(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let mut total: u128 = 0;
    let mut rest = text;
    loop {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, after) = rest.split_at(end);
        let (unit, factor) = UNITS.iter().find(|(unit, _)| {
            // `m` is not the start of `ms`.
            after.strip_prefix(unit).is_some_and(|rest| !rest.starts_with(char::is_alphabetic))
        })?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total = total.checked_add(whole.checked_mul(u128::from(*factor))?)?;
        if !fraction.is_empty() {
            let digits = &fraction[..fraction.len().min(9)];
            let scale = 10_u128.pow(u32::try_from(digits.len()).ok()?);
            total = total.checked_add(digits.parse::<u128>().ok()? * u128::from(*factor) / scale)?;
        }
        rest = &after[unit.len()..];
        if rest.is_empty() {
            return i64::try_from(total).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::nanoseconds;

    #[test]
    fn durations() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1s", Some(1_000_000_000)),
            ("300ms", Some(300_000_000)),
            ("1h2m3.5s", Some(3_723_500_000_000)),
            (".5s", Some(500_000_000)),
            ("5us", Some(5_000)),
            ("", None),
            ("5", None),
            ("s", None),
            ("1x", None),
            ("-1s", None),
            ("99999999999999999999h", None),
            ("1.2.3s", None),
        ] {
            assert_eq!(nanoseconds(text), expected, "{text}");
        }
    }
}
