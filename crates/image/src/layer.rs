//! Layers: tar archives on the one side, directory trees that overlayfs can stack on the other.
//!
//! ```text
//! source ─ read + decompress ─┬─ sha256 ─ diff id          (three threads, chunks of 256 KiB,
//!                             └─ tar entries ─ directory    at most eight in flight)
//! tree ─ tar entries ─ (the same, to copy it or to write it out)
//! ```

mod compression;
mod extract;
mod pack;
mod pipeline;
mod stack;
mod unpack;
mod zeros;

#[cfg(test)]
mod pack_tests;
#[cfg(test)]
mod tests;

use std::io::{Read, Write};
use std::path::PathBuf;

use oci::digest::{DiffId, Digest};
use sys::Dir;

pub(crate) use compression::{decompress, detect};
use extract::Extractor;
pub(crate) use pack::{Form, Packing, attributes, is_gone, pack, pack_entry, write_error};
pub(crate) use stack::{Parts, Seen, Stack, is_opaque, is_whiteout};
pub use unpack::{Destination, Owner};

use crate::Result;
use crate::tar::{TarReader, TarWriter};
use crate::transfer::What;

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
    let diff_id = pipeline::run(source, |chunks| extract_all(&mut extractor, chunks))?;
    Ok(extractor.applied(diff_id))
}

/// Copies a tree into an empty directory by way of its archive, which is written nowhere: what is hashed and what is
/// extracted are the same bytes, whatever becomes of the tree meanwhile. Returns the length of the archive too, and
/// what no layer can hold and was left out.
pub(crate) fn apply_tree(
    tree: &Dir,
    packing: &Packing<'_>,
    target: &Dir,
) -> Result<(Applied, u64, Vec<PathBuf>)> {
    let mut extractor = Extractor::new(target)?;
    let (mut size, mut left_out) = (0, Vec::new());
    let diff_id = pipeline::run_with(
        |feed| {
            let mut tar = TarWriter::new(Counted { sink: feed, bytes: 0 });
            left_out = pack(tree, packing, &mut tar)?;
            size = tar.finish().map_err(write_error)?.bytes;
            Ok(())
        },
        |chunks| extract_all(&mut extractor, chunks),
    )?;
    Ok((extractor.applied(diff_id), size, left_out))
}

/// Writes the archive of a tree, which the same tree always gives; returns its digest.
pub(crate) fn write_packed(tree: &Dir, packing: &Packing<'_>, sink: &mut dyn Write) -> Result<DiffId> {
    pipeline::run_with(
        |feed| {
            let mut tar = TarWriter::new(feed);
            pack(tree, packing, &mut tar)?;
            tar.finish().map_err(write_error).map(drop)
        },
        |chunks| chunks.write_to(sink),
    )
}

/// Copies files from one directory into another.
pub(crate) fn pipe_source(what: What<'_>, packing: &Packing<'_>, target: &Destination<'_>) -> Result<u64> {
    let mut bytes = 0;
    pipeline::pass_on(
        |feed| write_source(what, packing, feed),
        |chunks| {
            bytes = unpack::unpack(chunks, target)?;
            Ok(())
        },
    )?;
    Ok(bytes)
}

/// Writes files as an archive.
pub(crate) fn pack_source(what: What<'_>, packing: &Packing<'_>, sink: &mut dyn Write) -> Result<()> {
    pipeline::pass_on(|feed| write_source(what, packing, feed), |chunks| chunks.write_to(sink))
}

fn write_source(what: What<'_>, packing: &Packing<'_>, feed: &mut pipeline::Feed<'_>) -> Result<()> {
    let mut tar = TarWriter::new(feed);
    match what {
        What::Directory(dir) => drop(pack(dir, packing, &mut tar)?),
        What::Entry(parent, name) => pack_entry(parent, name, packing, &mut tar)?,
    }
    tar.finish().map_err(write_error).map(drop)
}

/// Unpacks an archive, compressed or not.
pub(crate) fn unpack_stream(source: impl Read + Send, target: &Destination<'_>) -> Result<u64> {
    let mut bytes = 0;
    pipeline::pass_on(
        |feed| pipeline::decompress_into(source, feed),
        |chunks| {
            bytes = unpack::unpack(chunks, target)?;
            Ok(())
        },
    )?;
    Ok(bytes)
}

/// Passes bytes on and returns their digest.
pub(crate) fn stream(mut source: impl Read + Send, sink: &mut dyn Write) -> Result<Digest> {
    let passed = pipeline::run_with(|feed| feed.read_all(&mut source), |chunks| chunks.write_to(sink))?;
    Ok(*passed.digest())
}

/// Writes a whole file system as an archive; what is in it stays as it is, whatever it means to overlayfs.
pub fn write_tree(tree: &Dir, sink: &mut dyn Write) -> Result<()> {
    pack_source(What::Directory(tree), &Packing::whole(), sink)
}

fn extract_all(extractor: &mut Extractor<'_>, chunks: &mut pipeline::Chunks<'_>) -> Result<()> {
    let mut reader = TarReader::new(chunks);
    while let Some(entry) = reader.next()? {
        extractor.extract(&entry, &mut reader)?;
    }
    extractor.finish()
}

/// Counts what passes.
struct Counted<W> {
    sink: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.sink.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.sink.flush()
    }
}
