//! Environment variables and labels, one by one and from files.
//!
//! A file has one `NAME=value` a line. White space before the name is dropped, the value is kept
//! to its last byte: quotes and trailing blanks are part of it. Lines that are empty or start
//! with `#` count for nothing.

use engine::request::EnvVar;

use super::{Invalid, Read};

/// Looks up a variable of the caller.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Checks `NAME=value` or `NAME` and returns it unchanged.
pub(crate) fn check(text: &str) -> Read<String> {
    if text.is_empty() || text.starts_with('=') {
        return Err(Invalid::new(format!("invalid environment variable: {text}")));
    }
    Ok(text.to_owned())
}

/// Reads what [`check`] let through. A name alone takes the caller's value, and where the caller has
/// none it removes the image's.
pub(crate) fn resolve(text: &str, lookup: Lookup<'_>) -> EnvVar {
    match text.split_once('=') {
        Some((name, value)) => EnvVar { name: name.to_owned(), value: Some(value.to_owned()) },
        None => EnvVar { name: text.to_owned(), value: lookup(text) },
    }
}

/// Reads a file of variables. A name alone takes the caller's value; one the caller has not is skipped.
pub(crate) fn parse_file(bytes: &[u8], lookup: Lookup<'_>) -> Read<Vec<EnvVar>> {
    let lines = lines(bytes)?;
    let variables =
        lines.into_iter().map(|(name, value)| EnvVar { value: value.or_else(|| lookup(&name)), name });
    Ok(variables.filter(|variable| variable.value.is_some()).collect())
}

/// Reads a file of labels; one without value is skipped, as Docker does.
pub(crate) fn parse_label_file(bytes: &[u8]) -> Read<Vec<(String, String)>> {
    Ok(lines(bytes)?.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

type Line = (String, Option<String>);

fn lines(bytes: &[u8]) -> Read<Vec<Line>> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Invalid::new(format!("invalid utf8 bytes at line {line}"))
    })?;
    text.lines().filter_map(|line| line_of(line.trim_start()).transpose()).collect()
}

fn line_of(line: &str) -> Read<Option<Line>> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (name, value) = match line.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (line, None),
    };
    if name.is_empty() {
        return Err(Invalid::new(format!("no variable name on line '{line}'")));
    }
    if name.contains(char::is_whitespace) {
        return Err(Invalid::new(format!("variable '{name}' contains whitespaces")));
    }
    Ok(Some((name.to_owned(), value)))
}

#[cfg(test)]
mod tests {
    use super::super::check::table;
    use super::*;

    fn home(name: &str) -> Option<String> {
        (name == "HOME").then(|| "/root".to_owned())
    }

    #[test]
    fn single_variables() {
        let read = |text: &str| check(text).map(|text| resolve(&text, &home)).map(|v| (v.name, v.value));
        let rows = [
            ("A=b", r#"("A", Some("b"))"#),
            ("A=", r#"("A", Some(""))"#),
            ("A=b=c ", r#"("A", Some("b=c "))"#),
            ("HOME", r#"("HOME", Some("/root"))"#),
            ("GONE", r#"("GONE", None)"#),
            ("=b", "!invalid environment variable: =b"),
            ("", "!invalid environment variable: "),
        ];
        table(read, &rows);
    }

    #[test]
    fn files() {
        let read = |text: &str| -> Read<Vec<String>> {
            let show = |v: EnvVar| format!("{}={}", v.name, v.value.unwrap_or_default());
            parse_file(text.as_bytes(), &home).map(|all| all.into_iter().map(show).collect())
        };
        let rows = [
            ("", "[]"),
            ("A=1\r\n\n# no\n  B= x \n", r#"["A=1", "B= x "]"#),
            ("\u{feff}A=\"q\"", r#"["A=\"q\""]"#),
            ("HOME\nGONE\n", r#"["HOME=/root"]"#),
            ("A=a # b", r#"["A=a # b"]"#),
            ("=x", "!no variable name on line '=x'"),
            ("A B=x", "!variable 'A B' contains whitespaces"),
            ("A =x", "!variable 'A ' contains whitespaces"),
        ];
        table(read, &rows);
        assert_eq!(parse_file(b"A=1\nB=\xff\n", &home), Err(Invalid::new("invalid utf8 bytes at line 2")));
    }

    #[test]
    fn label_files() {
        let labels = parse_label_file(b"a=1\nb\nc=\n").unwrap();
        assert_eq!(labels, [("a".to_owned(), "1".to_owned()), ("c".to_owned(), String::new())]);
    }
}
