//! Moments for `--since` and `--until`: a date, seconds since 1970, or a span before now.

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

use super::{Invalid, Read, duration};
use crate::caller::Caller;

/// Reads a moment as nanoseconds since 1970. A date without zone is meant in the caller's.
pub(crate) fn parse(text: &str, now: Timestamp, zone: impl Fn() -> TimeZone) -> Read<i128> {
    if let Some(span) = duration::parse_nanos(text) {
        return Ok(now.as_nanosecond() - span);
    }
    if let Some(nanos) = parse_unix(text) {
        return Ok(nanos);
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment.as_nanosecond());
    }
    let local =
        text.parse::<civil::DateTime>().or_else(|_| text.parse::<civil::Date>().map(civil::DateTime::from));
    let moment = local
        .and_then(|local| local.to_zoned_datetime(zone()))
        .map(|zoned| zoned.timestamp().as_nanosecond());
    moment.map_err(|_| {
        Invalid::new(format!("`{text}` is not a time"))
            .hint("write a span like 10m, a date like 2026-01-31T12:00:00Z, or seconds since 1970")
    })
}

/// Reads the moment of a flag; an empty one is none.
pub(crate) fn parse_flag(flag: &str, text: Option<String>, caller: &dyn Caller) -> Read<Option<i128>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let read = parse(&text, caller.now(), || caller.zone());
    read.map(Some).map_err(|error| {
        let named = Invalid::new(format!("invalid value for \"{flag}\": {error}"));
        error.hint_text().map_or(named.clone(), |hint| named.hint(hint))
    })
}

/// Reads `SECONDS[.NANOSECONDS]`.
fn parse_unix(text: &str) -> Option<i128> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    if seconds.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = seconds.parse().ok()?;
    let nanos: i64 = format!("{fraction:0<9}").parse().ok()?;
    Some(i128::from(seconds) * 1_000_000_000 + i128::from(nanos))
}

#[cfg(test)]
#[test]
fn moments() {
    let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    let zone = || TimeZone::fixed(jiff::tz::offset(2));
    let read = |text: &str| {
        let nanos = parse(text, now, zone)?;
        Ok(Timestamp::from_nanosecond(nanos).unwrap().to_string())
    };
    let rows = [
        ("5s", "\"2026-01-02T03:04:00Z\""),
        ("1h4m", "\"2026-01-02T02:00:05Z\""),
        ("2026-01-01T00:00:00Z", "\"2026-01-01T00:00:00Z\""),
        ("2026-01-01T00:00:00.5+01:00", "\"2025-12-31T23:00:00.5Z\""),
        ("2026-01-01T00:00:00", "\"2025-12-31T22:00:00Z\""),
        ("2026-01-01", "\"2025-12-31T22:00:00Z\""),
        ("1136073600", "\"2006-01-01T00:00:00Z\""),
        ("1136073600.25", "\"2006-01-01T00:00:00.25Z\""),
        ("foo", "!`foo` is not a time"),
        ("", "!`` is not a time"),
    ];
    super::check::table(read, &rows);
}
