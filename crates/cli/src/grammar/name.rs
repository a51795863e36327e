//! Names of containers.

use super::{Invalid, Read};

/// Reads a new name; the slash that Docker's API shows in front is dropped.
pub(crate) fn parse(text: &str) -> Read<String> {
    let name = text.strip_prefix('/').unwrap_or(text);
    let first = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let rest = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    if !first || !rest || name.len() < 2 || name.len() > 255 {
        let text = format!("Invalid container name ({text}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
        return Err(Invalid::new(text));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
#[test]
fn names() {
    let bad = |text| format!("!Invalid container name ({text}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
    super::check::table(parse, &[("web-1.a_b", "\"web-1.a_b\""), ("/web", "\"web\"")]);
    for text in ["a", "-a", "a b", "", "ä1", "a/b"] {
        super::check::table(parse, &[(text, &bad(text))]);
    }
}
