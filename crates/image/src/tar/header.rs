//! The 512-byte header block: fields, checksum, octal and base-256 numbers.

use super::{Fault, Time};

pub(super) const BLOCK: usize = 512;

/// A header block.
#[derive(Debug, Clone)]
pub(super) struct Block {
    bytes: [u8; BLOCK],
}

impl Block {
    pub(super) fn new(bytes: [u8; BLOCK]) -> Self {
        Self { bytes }
    }

    pub(super) fn is_zero(&self) -> bool {
        self.bytes.iter().all(|byte| *byte == 0)
    }

    /// Compares the checksum, which old writers computed over signed bytes.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let stored = number(&self.bytes[148..156]).ok_or(Fault::Checksum)?;
        let blanked = |(index, byte): (usize, &u8)| if (148..156).contains(&index) { b' ' } else { *byte };
        let bytes = || self.bytes.iter().enumerate().map(blanked);
        let unsigned: i64 = bytes().map(i64::from).sum();
        let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
        if stored == unsigned || stored == signed { Ok(()) } else { Err(Fault::Checksum) }
    }

    pub(super) fn kind(&self) -> u8 {
        self.bytes[156]
    }

    pub(super) fn path(&self) -> Vec<u8> {
        let name = text(&self.bytes[..100]);
        let prefix = match (&self.bytes[257..263], &self.bytes[508..512]) {
            // Schily's tar keeps times in the tail of the prefix.
            (b"ustar\0", b"tar\0") => text(&self.bytes[345..476]),
            (b"ustar\0", _) => text(&self.bytes[345..500]),
            _ => &[],
        };
        if prefix.is_empty() { name.to_vec() } else { [prefix, name].join(&b'/') }
    }

    pub(super) fn link(&self) -> Vec<u8> {
        text(&self.bytes[157..257]).to_vec()
    }

    pub(super) fn size(&self) -> Result<u64, Fault> {
        self.unsigned(124..136, "size")
    }

    pub(super) fn mode(&self) -> Result<u32, Fault> {
        // Some writers put the file type into the upper bits.
        Ok(u32::try_from(self.unsigned(100..108, "mode")? & 0o7777).expect("masked"))
    }

    pub(super) fn uid(&self) -> Result<u32, Fault> {
        id(self.unsigned(108..116, "uid")?, "uid")
    }

    pub(super) fn gid(&self) -> Result<u32, Fault> {
        id(self.unsigned(116..124, "gid")?, "gid")
    }

    pub(super) fn mtime(&self) -> Result<Time, Fault> {
        let seconds = number(&self.bytes[136..148]).ok_or(Fault::Number("mtime"))?;
        Ok(Time { seconds, nanoseconds: 0 })
    }

    pub(super) fn major(&self) -> Result<u32, Fault> {
        self.device(329..337, "devmajor")
    }

    pub(super) fn minor(&self) -> Result<u32, Fault> {
        self.device(337..345, "devminor")
    }

    pub(super) fn bytes(&self) -> &[u8; BLOCK] {
        &self.bytes
    }

    fn device(&self, range: std::ops::Range<usize>, name: &'static str) -> Result<u32, Fault> {
        u32::try_from(self.unsigned(range, name)?).map_err(|_| Fault::Number(name))
    }

    fn unsigned(&self, range: std::ops::Range<usize>, name: &'static str) -> Result<u64, Fault> {
        unsigned(&self.bytes[range], name)
    }
}

/// Reads a numeric field that cannot be negative.
pub(super) fn unsigned(field: &[u8], name: &'static str) -> Result<u64, Fault> {
    number(field).and_then(|value| u64::try_from(value).ok()).ok_or(Fault::Number(name))
}

/// Checks a user or group id: chown(2) takes the highest value for "leave as it is" (CVE-2024-40635
/// is of this family).
pub(super) fn id(value: u64, name: &'static str) -> Result<u32, Fault> {
    u32::try_from(value).ok().filter(|id| *id != u32::MAX).ok_or(Fault::Number(name))
}

/// Reads octal digits between blanks, or a binary number where the first bit is set (GNU, star).
fn number(field: &[u8]) -> Option<i64> {
    if field.first().is_some_and(|first| first & 0x80 != 0) {
        return base_256(field);
    }
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !blank(byte)).unwrap_or(field.len());
    let digits = &field[start..];
    let end = digits.iter().position(blank).unwrap_or(digits.len());
    if !digits[end..].iter().all(blank) {
        return None;
    }
    digits[..end].iter().try_fold(0_i64, |value, byte| match byte {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(byte - b'0')),
        _ => None,
    })
}

fn base_256(field: &[u8]) -> Option<i64> {
    let negative = field[0] & 0x40 != 0;
    // The top bit marks the encoding and is no part of the number.
    let first = if negative { field[0] } else { field[0] & 0x7f };
    let start = i128::from(first.cast_signed());
    let value = field[1..].iter().try_fold(start, |value, byte| {
        let value = (value << 8) | i128::from(*byte);
        (value.unsigned_abs() < 1 << 70).then_some(value)
    })?;
    i64::try_from(value).ok()
}

fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    &field[..end]
}
