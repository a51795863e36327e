//! `--detach-keys ctrl-p,ctrl-q`.

use engine::request::DetachKeys;

use super::{Invalid, Read};

/// Reads a list of keys: single characters, `ctrl-` with a letter or one of `@[\]^_`, or `DEL`.
pub(crate) fn parse(text: &str) -> Read<Option<DetachKeys>> {
    if text.is_empty() {
        return Ok(None);
    }
    let keys: Read<Vec<u8>> = text.split(',').map(|key| parse_key(text, key)).collect();
    keys.map(DetachKeys).map(Some)
}

fn parse_key(text: &str, key: &str) -> Read<u8> {
    let invalid = || Invalid::new(format!("invalid detach keys ({text}): unknown character: '{key}'"));
    if let [byte] = key.as_bytes() {
        return Ok(*byte);
    }
    if key == "DEL" {
        return Ok(127);
    }
    match key.strip_prefix("ctrl-").map(str::as_bytes) {
        Some([byte @ (b'a'..=b'z' | b'@' | b'['..=b'_')]) => Ok(byte & 0x1f),
        _ => Err(invalid()),
    }
}

#[cfg(test)]
#[test]
fn readings() {
    let show = |text: &str| parse(text).map(|keys| keys.map(|keys| keys.0));
    let rows = [
        ("", "None"),
        ("ctrl-p,ctrl-q", "Some([16, 17])"),
        ("a,B,ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_,DEL", "Some([97, 66, 0, 27, 28, 29, 30, 31, 127])"),
        ("ctrl-P", "!invalid detach keys (ctrl-P): unknown character: 'ctrl-P'"),
        ("ctrl-1", "!invalid detach keys (ctrl-1): unknown character: 'ctrl-1'"),
        ("a,", "!invalid detach keys (a,): unknown character: ''"),
    ];
    super::check::table(show, &rows);
}
