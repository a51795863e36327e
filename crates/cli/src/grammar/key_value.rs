//! `key=value` pairs: labels, annotations, log options.

use super::{Invalid, Read};

/// A key with its value.
pub(crate) type Pair = (String, String);

/// Reads a label; without `=` the value is empty.
pub(crate) fn parse_label(text: &str) -> Read<Pair> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if key.trim().is_empty() {
        return Err(Invalid::new(format!("invalid label '{text}': empty name")));
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// Reads a pair that must have a value.
pub(crate) fn parse_pair(text: &str) -> Read<Pair> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Invalid::new(format!("`{text}` is not of the form key=value"))),
    }
}

#[cfg(test)]
#[test]
fn pairs() {
    let labels = [
        ("a=b=c", r#"("a", "b=c")"#),
        ("a", r#"("a", "")"#),
        ("=x", "!invalid label '=x': empty name"),
        ("", "!invalid label '': empty name"),
    ];
    super::check::table(parse_label, &labels);
    super::check::table(parse_pair, &[("a=", r#"("a", "")"#), ("a", "!`a` is not of the form key=value")]);
}
