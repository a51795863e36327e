//! `--attach STDIN|STDOUT|STDERR` and `--pull`.

use engine::request::PullPolicy;

use super::{Invalid, Read};

/// One of the standard streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdin,
    Stdout,
    Stderr,
}

/// Reads the value of `--attach`.
pub(crate) fn parse(text: &str) -> Read<Stream> {
    match text.to_ascii_lowercase().as_str() {
        "stdin" => Ok(Stream::Stdin),
        "stdout" => Ok(Stream::Stdout),
        "stderr" => Ok(Stream::Stderr),
        _ => Err(Invalid::new("valid streams are STDIN, STDOUT and STDERR")),
    }
}

/// Reads the value of `--pull`.
pub(crate) fn parse_pull(text: &str) -> Read<PullPolicy> {
    match text {
        "always" => Ok(PullPolicy::Always),
        "missing" | "" => Ok(PullPolicy::Missing),
        "never" => Ok(PullPolicy::Never),
        _ => {
            let text =
                format!("invalid pull option: '{text}': must be one of \"always\", \"missing\" or \"never\"");
            Err(Invalid::new(text))
        }
    }
}

#[cfg(test)]
#[test]
fn streams() {
    let rows =
        [("stdin", "Stdin"), ("STDERR", "Stderr"), ("x", "!valid streams are STDIN, STDOUT and STDERR")];
    super::check::table(parse, &rows);
}
