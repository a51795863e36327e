//! Small pieces of wording.

use std::io;

/// Returns what went wrong as the kernel words it, without Rust's "(os error 2)".
pub(crate) fn io_error(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    let mut letters = text[..end].chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
#[test]
fn kernel_words() {
    assert_eq!(io_error(&io::Error::from_raw_os_error(2)), "no such file or directory");
}
