//! PAX extended headers: records of the form `"27 mtime=1700000000.123\n"`.

use super::header::id;
use super::{Fault, Time};

const XATTR: &[u8] = b"SCHILY.xattr.";

/// The records of one extended header, in order: sparse maps repeat keys.
#[derive(Debug, Default)]
pub(super) struct Pax {
    records: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Pax {
    /// Splits records; anything out of form is an error, because a reader that skips it sees another
    /// archive than one that stops.
    pub(super) fn parse(mut bytes: &[u8]) -> Result<Self, Fault> {
        let mut records = Vec::new();
        while !bytes.is_empty() {
            let space = bytes.iter().take(20).position(|byte| *byte == b' ').ok_or(Fault::Pax)?;
            let len = decimal(&bytes[..space]).ok_or(Fault::Pax)?;
            let len = usize::try_from(len).map_err(|_| Fault::Pax)?;
            if len <= space + 1 || len > bytes.len() {
                return Err(Fault::Pax);
            }
            let (record, rest) = bytes.split_at(len);
            let record = record[space + 1..].strip_suffix(b"\n").ok_or(Fault::Pax)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or(Fault::Pax)?;
            if equals == 0 {
                return Err(Fault::Pax);
            }
            records.push((record[..equals].to_vec(), record[equals + 1..].to_vec()));
            bytes = rest;
        }
        Ok(Self { records })
    }

    /// Refuses a global header that would change what follows: readers differ in whether they apply it.
    pub(super) fn check_global(&self) -> Result<(), Fault> {
        let changes = |key: &[u8]| {
            matches!(key, b"path" | b"linkpath" | b"size" | b"uid" | b"gid" | b"hdrcharset")
                || key.starts_with(b"GNU.sparse.")
                || key.starts_with(XATTR)
        };
        match self.records.iter().find(|(key, _)| changes(key)) {
            Some((key, _)) => Err(Fault::Global(String::from_utf8_lossy(key).into_owned())),
            None => Ok(()),
        }
    }

    /// Returns the last value of a key; an empty one takes the key back (pax(1)).
    pub(super) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let found = self.records.iter().rev().find(|(name, _)| name == key);
        found.map(|(_, value)| &**value).filter(|value| !value.is_empty())
    }

    pub(super) fn records(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.records.iter().map(|(key, value)| (&**key, &**value))
    }

    pub(super) fn path(&self) -> Option<&[u8]> {
        self.get(b"path")
    }

    pub(super) fn link(&self) -> Option<&[u8]> {
        self.get(b"linkpath")
    }

    pub(super) fn sparse_name(&self) -> Option<&[u8]> {
        self.get(b"GNU.sparse.name")
    }

    pub(super) fn size(&self) -> Result<Option<u64>, Fault> {
        self.number(b"size", "size")
    }

    pub(super) fn uid(&self) -> Result<Option<u32>, Fault> {
        self.number(b"uid", "uid")?.map(|value| id(value, "uid")).transpose()
    }

    pub(super) fn gid(&self) -> Result<Option<u32>, Fault> {
        self.number(b"gid", "gid")?.map(|value| id(value, "gid")).transpose()
    }

    pub(super) fn mtime(&self) -> Result<Option<Time>, Fault> {
        self.get(b"mtime").map(|text| time(text).ok_or(Fault::Number("mtime"))).transpose()
    }

    pub(super) fn atime(&self) -> Result<Option<Time>, Fault> {
        self.get(b"atime").map(|text| time(text).ok_or(Fault::Number("atime"))).transpose()
    }

    pub(super) fn xattrs(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let xattr = |(key, value): (&[u8], &[u8])| Some((key.strip_prefix(XATTR)?.to_vec(), value.to_vec()));
        self.records().filter_map(xattr).collect()
    }

    pub(super) fn number(&self, key: &[u8], name: &'static str) -> Result<Option<u64>, Fault> {
        self.get(key).map(|text| decimal(text).ok_or(Fault::Number(name))).transpose()
    }
}

/// Reads a decimal number without sign or blanks that fits 63 bits.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let value = text.iter().try_fold(0_u64, |value, byte| match byte {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })?;
    (value <= i64::MAX.cast_unsigned()).then_some(value)
}

/// Reads `[-]seconds[.fraction]`.
fn time(text: &[u8]) -> Option<Time> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (seconds, fraction) = match text.iter().position(|byte| *byte == b'.') {
        Some(point) => (&text[..point], &text[point + 1..]),
        None => (text, &[][..]),
    };
    let seconds = i64::try_from(decimal(seconds)?).ok()?;
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(9);
    let nanoseconds = digits.fold(0_u32, |value, digit| value * 10 + u32::from(digit - b'0'));
    Some(match (negative, nanoseconds) {
        (false, _) => Time { seconds, nanoseconds },
        (true, 0) => Time { seconds: -seconds, nanoseconds: 0 },
        // -1.25 is 0.75 after -2.
        (true, _) => Time { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds },
    })
}
