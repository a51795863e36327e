//! The reader of archives for those who try it with bytes of their own making.

use std::io::{BufReader, Read};

use crate::layer::decompress;
use crate::tar::TarReader;
use crate::{Error, Result};

/// A bomb is not followed any further; layers are bounded by the disk alone.
const BYTES_MAX: u64 = 16 << 20;

/// Reads an archive to its end, compressed or not, and returns how many entries and bytes of data it has.
pub fn read(archive: &[u8]) -> Result<(u64, u64)> {
    let (_, plain) = decompress(archive)?;
    let mut reader = TarReader::new(BufReader::new(plain.take(BYTES_MAX)));
    let (mut entries, mut bytes) = (0, 0);
    while reader.next()?.is_some() {
        entries += 1;
        reader.data(|piece| {
            bytes += piece.len() as u64;
            Ok::<(), Error>(())
        })?;
    }
    Ok((entries, bytes))
}
