//! Literals as Go writes them: strings, characters, numbers.

use serde_json::Number;

use super::{Error, Result};

/// Reads a string up to its closing mark; returns it and what follows the mark.
pub(super) fn quoted(text: &str, mark: char) -> Result<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            letter if letter == mark => return Ok((value, letters.as_str())),
            '\\' => {
                let (letter, rest) = escape(letters.as_str())?;
                value.push(letter);
                letters = rest.chars();
            }
            letter => value.push(letter),
        }
    }
    Err(Error::new("a string is not closed"))
}

/// Reads what follows a backslash.
fn escape(text: &str) -> Result<(char, &str)> {
    let first = text.chars().next().ok_or_else(|| Error::new("a string is not closed"))?;
    let rest = &text[first.len_utf8()..];
    let coded = |text: &str, digits: usize, radix: u32| {
        let code = text.get(..digits).and_then(|digits| u32::from_str_radix(digits, radix).ok());
        code.and_then(char::from_u32)
    };
    let letter = match first {
        'a' => Some('\u{7}'),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\u{b}'),
        '\\' | '\'' | '"' => Some(first),
        _ => None,
    };
    if let Some(letter) = letter {
        return Ok((letter, rest));
    }
    let (digits, radix, from) = match first {
        'x' => (2, 16, rest),
        'u' => (4, 16, rest),
        'U' => (8, 16, rest),
        _ => (3, 8, text),
    };
    match coded(from, digits, radix) {
        Some(letter) => Ok((letter, &from[digits..])),
        None => Err(Error::new(format!("unknown escape `\\{first}` in a string"))),
    }
}

/// Returns the number that a character constant stands for.
pub(super) fn character(text: &str) -> Result<Number> {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) => Ok(u32::from(letter).into()),
        _ => Err(Error::new(format!("'{text}' is not one character"))),
    }
}

/// Reads a number: `42`, `0x2a`, `0b10`, `0o7`, `1_000`, `1.5`, `1e3`.
pub(super) fn number(text: &str) -> Result<Number> {
    let wrong = || Error::new(format!("`{text}` is not a number"));
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|first: char| first.is_ascii_digit())
        || digits.ends_with('_')
        || text.contains("__")
    {
        return Err(wrong());
    }
    let digits = digits.replace('_', "");
    let lower = digits.to_ascii_lowercase();
    let (radix, bare) = match lower.split_at_checked(2) {
        Some(("0x", bare)) => (16, bare),
        Some(("0b", bare)) => (2, bare),
        Some(("0o", bare)) => (8, bare),
        Some((octal, _)) if octal.starts_with('0') && lower.bytes().all(|b| b.is_ascii_digit()) => {
            (8, &lower[1..])
        }
        _ => (10, lower.as_str()),
    };
    let whole =
        i64::from_str_radix(&format!("{sign}{bare}"), radix).ok().filter(|_| !bare.starts_with(['+', '-']));
    if let Some(whole) = whole {
        return Ok(whole.into());
    }
    let real = format!("{sign}{lower}").parse().ok().filter(|_| radix == 10);
    real.and_then(Number::from_f64).ok_or_else(wrong)
}
