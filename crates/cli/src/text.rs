//! Small pieces of wording.

use std::io;

/// Returns what went wrong as the kernel words it, without Rust's "(os error 2)".
pub(crate) fn io_error(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    let mut letters = text[..end].chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// Leaves out Rust's "(os error 2)" wherever it stands.
pub(crate) fn without_numbers(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.trim_start_matches(|letter: char| letter.is_ascii_digit());
        plain.push_str(digits.strip_prefix(')').unwrap_or(part));
    }
    plain
}

#[cfg(test)]
#[test]
fn kernel_words() {
    assert_eq!(without_numbers("a: No such file (os error 2): b (os error 13)"), "a: No such file: b");
    assert_eq!(without_numbers("plain"), "plain");
    assert_eq!(io_error(&io::Error::from_raw_os_error(2)), "no such file or directory");
}
