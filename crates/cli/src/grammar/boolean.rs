//! Truth values as Docker's flags take them: `--rm`, `--rm=false`, `--rm=0`.

use super::{Invalid, Read};

/// Reads one of the spellings that Go's `strconv.ParseBool` knows.
pub(crate) fn parse(text: &str) -> Read<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(Invalid::new(format!("`{text}` is neither true nor false"))),
    }
}

#[cfg(test)]
#[test]
fn spellings() {
    super::check::table(
        parse,
        &[
            ("true", "true"),
            ("1", "true"),
            ("F", "false"),
            ("yes", "!`yes` is neither true nor false"),
            ("", "!`` is neither true nor false"),
        ],
    );
}
