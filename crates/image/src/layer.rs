//! Layers: tar archives on the one side, directory trees that overlayfs can stack on the other.
//!
//! ```text
//! source ─ read + decompress ─┬─ sha256 ─ diff id          (three threads, chunks of 256 KiB,
//!                             └─ tar entries ─ directory    at most eight in flight)
//! ```

mod compression;
mod extract;
mod pipeline;

#[cfg(test)]
mod tests;

use std::io::Read;

use oci::digest::DiffId;
use sys::Dir;

pub(crate) use compression::{decompress, detect};
use extract::Extractor;

use crate::Result;
use crate::tar::TarReader;

/// What was learnt while a layer was extracted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Digest of the uncompressed archive.
    pub diff_id: DiffId,
    /// Sum of the sizes of all regular files.
    pub size: u64,
    /// Number of entries.
    pub entries: u64,
    /// The largest user id that owns something.
    pub uid_max: u32,
    /// The largest group id that owns something.
    pub gid_max: u32,
    /// Whether the layer hides everything below it.
    pub opaque: bool,
}

/// Extracts a layer, compressed or not, into an empty directory that nobody else works in.
///
/// Nothing is synced here: the caller writes back once for all layers it makes.
pub fn apply(source: impl Read + Send, target: &Dir) -> Result<Applied> {
    let mut extractor = Extractor::new(target)?;
    let diff_id = pipeline::run(source, |chunks| {
        let mut reader = TarReader::new(chunks);
        while let Some(entry) = reader.next()? {
            extractor.extract(&entry, &mut reader)?;
        }
        extractor.finish()
    })?;
    Ok(extractor.applied(diff_id))
}
