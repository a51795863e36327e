//! Sizes as Docker writes them: `64m`, `1.5GiB`.

/// Returns a number of bytes; all units are powers of 1024.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim().to_ascii_lowercase();
    let shift = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().ok()?;
    let factor = 1_u64 << shift;
    let mut total = whole.checked_mul(factor)?;
    if !fraction.is_empty() {
        let digits: u64 = fraction.get(..fraction.len().min(9))?.parse().ok()?;
        let scale = 10_u128.pow(u32::try_from(fraction.len().min(9)).ok()?);
        total = total.checked_add(u64::try_from(u128::from(digits) * u128::from(factor) / scale).ok()?)?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("0", Some(0)),
            ("64m", Some(64 << 20)),
            ("1.5GiB", Some(3 << 29)),
            ("10 kb", Some(10 << 10)),
            ("", None),
            ("-1", None),
            ("1x", None),
            ("1.", Some(1)),
            ("99999999999p", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }
}
