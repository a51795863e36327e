//! The bytes of records in either form. What is the same for all records of a chunk is made once: a container may print
//! millions of short lines a second.

use crate::protocol::Stream;

/// How a record of the CRI's form begins; of one length, so that it is copied without a call.
///
/// `2026-11-23T23:34:45.123456789Z stdout F `
pub(super) struct CriHead([u8; Self::BYTES]);

impl CriHead {
    const BYTES: usize = 40;
    const TAG: usize = Self::BYTES - 2;

    pub(super) fn new(stamp: &str, stream: Stream) -> Self {
        let mut head = [b' '; Self::BYTES];
        let text = format!("{stamp} {}", name(stream));
        // Both are of one length whatever the time is.
        for (place, byte) in head[..Self::TAG - 1].iter_mut().zip(text.bytes()) {
            *place = byte;
        }
        Self(head)
    }

    /// Adds a line, or a part of one where it has no end.
    pub(super) fn write(&self, buffer: &mut Vec<u8>, line: &[u8]) {
        let whole = line.ends_with(b"\n");
        let mut head = self.0;
        head[Self::TAG] = if whole { b'F' } else { b'P' };
        buffer.extend_from_slice(&head);
        buffer.extend_from_slice(line);
        if !whole {
            buffer.push(b'\n');
        }
    }
}

/// How a record of Docker's form ends: `","stream":"stdout","time":"2026-11-23T23:34:45.123456789Z"}`.
pub(super) struct JsonTail(Vec<u8>);

impl JsonTail {
    /// `attributes` with what stands around them.
    pub(super) fn new(stamp: &str, stream: Stream, attributes: &str) -> Self {
        // Docker's has no zeros at its end.
        let time = stamp.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.');
        let stream = name(stream);
        Self(format!("\",\"stream\":\"{stream}\"{attributes},\"time\":\"{time}Z\"}}\n").into_bytes())
    }

    /// Adds a line, or a part of one.
    pub(super) fn write(&self, buffer: &mut Vec<u8>, line: &[u8]) {
        buffer.extend_from_slice(b"{\"log\":\"");
        match std::str::from_utf8(line) {
            Ok(text) => escape(buffer, text),
            Err(_) => {
                for chunk in line.utf8_chunks() {
                    escape(buffer, chunk.valid());
                    if !chunk.invalid().is_empty() {
                        buffer.extend_from_slice(b"\\ufffd");
                    }
                }
            }
        }
        buffer.extend_from_slice(&self.0);
    }
}

fn name(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    }
}

/// Bytes that may not stand as they are in a string of Docker's files, or that begin such a character.
const SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        special[byte] = true;
        byte += 1;
    }
    let mut at = 0;
    while at < OTHERS.len() {
        special[OTHERS[at] as usize] = true;
        at += 1;
    }
    special
};
const OTHERS: &[u8] = b"\"\\<>&\xe2";

/// Escapes as Docker does, whose files are safe within HTML.
fn escape(buffer: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| SPECIAL[usize::from(*byte)]) {
        buffer.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        rest = &rest[escape_one(buffer, rest)..];
    }
    buffer.extend_from_slice(rest);
}

/// Escapes the character that these bytes begin with; returns how many of them it took.
fn escape_one(buffer: &mut Vec<u8>, bytes: &[u8]) -> usize {
    match bytes {
        [b'"', ..] => buffer.extend_from_slice(b"\\\""),
        [b'\\', ..] => buffer.extend_from_slice(b"\\\\"),
        [b'\n', ..] => buffer.extend_from_slice(b"\\n"),
        [b'\r', ..] => buffer.extend_from_slice(b"\\r"),
        [b'\t', ..] => buffer.extend_from_slice(b"\\t"),
        // U+2028 and U+2029, which end lines in JavaScript.
        [0xe2, 0x80, last @ (0xa8 | 0xa9), ..] => {
            buffer.extend_from_slice(if *last == 0xa8 { b"\\u2028" } else { b"\\u2029" });
            return 3;
        }
        [0xe2, ..] => buffer.push(0xe2),
        [byte, ..] => buffer.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        [] => return 0,
    }
    1
}
