//! Durations and sizes as Docker words them.

/// Returns a span of seconds in one rough unit: `About a minute`, `3 weeks`.
pub(crate) fn duration(seconds: i64) -> String {
    let minutes = seconds / 60;
    // Hours are rounded, everything else is cut.
    let hours = (seconds + 1800).div_euclid(3600);
    match () {
        () if seconds < 1 => "Less than a second".to_owned(),
        () if seconds == 1 => "1 second".to_owned(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".to_owned(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".to_owned(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// Returns a size in decimal units with so many digits: `1.23MB`.
pub(crate) fn size(bytes: u64, digits: usize) -> String {
    scaled(bytes, digits, 1000.0, ["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

/// Returns a size in binary units with four digits: `7.657GiB`.
pub(crate) fn binary_size(bytes: u64) -> String {
    scaled(bytes, 4, 1024.0, ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
}

fn scaled(bytes: u64, digits: usize, base: f64, units: [&str; 7]) -> String {
    // Four digits are shown, a float holds fifteen.
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= base && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    format!("{}{}", general(value, digits), units[unit])
}

/// Prints like `%.{digits}g`: at most so many digits, no trailing zeros, an exponent where the
/// number has more digits before the point.
fn general(value: f64, digits: usize) -> String {
    let scientific = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: usize = exponent.parse().unwrap_or(0);
    if exponent < digits {
        return trim_zeros(&format!("{value:.*}", digits - 1 - exponent)).to_owned();
    }
    format!("{}e+{exponent:02}", trim_zeros(mantissa))
}

fn trim_zeros(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

/// Cuts a text to so many characters, the last of which is then `…`.
pub(crate) fn ellipsis(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        const HOUR: i64 = 3600;
        const DAY: i64 = 24 * HOUR;
        for (seconds, expected) in [
            (-5, "Less than a second"),
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (35 * 60 + 40, "35 minutes"),
            (3599, "59 minutes"),
            (HOUR, "About an hour"),
            (HOUR + 45 * 60, "2 hours"),
            (47 * HOUR, "47 hours"),
            (48 * HOUR, "2 days"),
            (13 * DAY, "13 days"),
            (14 * DAY, "2 weeks"),
            (35 * DAY + 40, "5 weeks"),
            (60 * DAY, "2 months"),
            (729 * DAY, "24 months"),
            (730 * DAY, "2 years"),
            (3 * 365 * DAY + 40, "3 years"),
        ] {
            assert_eq!(duration(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn sizes() {
        for (bytes, expected) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1kB"),
            (1024, "1.02kB"),
            (4_261_502, "4.26MB"),
            (77_800_000, "77.8MB"),
            (116_000_000, "116MB"),
            (999_900_000, "1e+03MB"),
            (1_234_000_000, "1.23GB"),
            (u64::MAX, "18.4EB"),
        ] {
            assert_eq!(size(bytes, 3), expected, "{bytes}");
        }
        assert_eq!(size(1_234_567, 4), "1.235MB");
        assert_eq!(binary_size(8_221_000_000), "7.656GiB");
        assert_eq!(binary_size(1024), "1KiB");
    }

    #[test]
    fn cuts() {
        assert_eq!(ellipsis("abc", 3), "abc");
        assert_eq!(ellipsis("abcd", 3), "ab…");
        assert_eq!(ellipsis("äöüß", 3), "äö…");
    }
}
