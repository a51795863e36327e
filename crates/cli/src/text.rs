//! Small pieces of wording.

use std::io;

/// Returns what went wrong as the kernel words it, without Rust's "(os error 2)".
pub(crate) fn io_error(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    let mut letters = text[..end].chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// Words errors of the kernel as [`io_error`] does wherever they stand: callers of runtimes look for Go's words,
/// which begin with a small letter.
pub(crate) fn kernel_words(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.trim_start_matches(|letter: char| letter.is_ascii_digit());
        let word = plain.rfind(": ").map_or(0, |colon| colon + 2);
        if let Some(first) = plain.get_mut(word..=word) {
            first.make_ascii_lowercase();
        }
        plain.push_str(digits.strip_prefix(')').unwrap_or(part));
    }
    plain
}

/// Returns the text between quotes, written as Go writes it.
pub(crate) fn quoted_as_in_go(text: &str) -> String {
    let mut quoted = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{b}' => quoted.push_str("\\v"),
            '\u{c}' => quoted.push_str("\\f"),
            '\0'..='\u{1f}' | '\u{7f}' => quoted.push_str(&format!("\\x{:02x}", u32::from(letter))),
            letter if letter.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => quoted.push(letter),
        }
    }
    quoted + "\""
}

#[cfg(test)]
#[test]
fn errors_of_the_kernel() {
    assert_eq!(kernel_words("A: No such file (os error 2): B (os error 13)"), "A: no such file: b");
    assert_eq!(kernel_words("Plain: Text"), "Plain: Text");
    assert_eq!(kernel_words("ä (os error 1)"), "ä");
    assert_eq!(io_error(&io::Error::from_raw_os_error(2)), "no such file or directory");
}
