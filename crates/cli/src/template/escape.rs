//! Text made safe to stand inside of HTML, JavaScript or a URL, as Go's functions of these names do.

use std::fmt::Write;

/// Escapes for HTML.
pub(super) fn html(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            letter => out.push(letter),
        }
    }
    out
}

/// Escapes for a string of JavaScript.
pub(super) fn js(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '\\' | '\'' | '"' => out.extend(['\\', letter]),
            '<' | '>' | '&' | '=' | '\0'..='\u{1f}' => {
                write!(out, "\\u{:04X}", u32::from(letter)).expect("writing to text does not fail");
            }
            letter => out.push(letter),
        }
    }
    out
}

/// Escapes for the query of a URL.
pub(super) fn url_query(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            byte => write!(out, "%{byte:02X}").expect("writing to text does not fail"),
        }
    }
    out
}
