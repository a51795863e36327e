//! One small hash for names that are only names.

/// Hashes bytes with FNV-1a: spreads well, is the same everywhere and for ever, and resists nobody.
pub(crate) fn fnv(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
