//! Where a file holds nothing but zeros: in holes, and in what programs have written.
//!
//! Goes by content and not by what the disk has allocated: a copy on another file system has the same pieces.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use crate::tar::Sparse;

/// Zeros are holes where they fill whole blocks of this size.
const BLOCK_BYTES: u64 = 64 << 10;
/// A file that is in more pieces is written as it is: readers bound the map (Go at 1 MiB).
const PIECES_MAX: usize = 20_000;

/// Returns the pieces of a file between its zeros; `None` where it has no long run of them.
pub(super) fn pieces(file: &File, size: u64) -> io::Result<Option<Sparse>> {
    let mut segments: Vec<(u64, u64)> = Vec::new();
    let mut has_holes = false;
    let mut block = Vec::new();
    let mut at = 0;
    while at < size {
        let data = next_data(file, at, size)?;
        // Whole blocks below the next data are zero without being read.
        let first = data / BLOCK_BYTES * BLOCK_BYTES;
        if first > at {
            has_holes = true;
            at = first;
            continue;
        }
        let len = BLOCK_BYTES.min(size - at);
        if len == BLOCK_BYTES && is_zero(file, at, &mut block)? {
            has_holes = true;
        } else {
            match segments.last_mut() {
                Some((offset, piece)) if *offset + *piece == at => *piece += len,
                _ => segments.push((at, len)),
            }
        }
        at += len;
    }
    let sparse = has_holes && segments.len() <= PIECES_MAX;
    Ok(sparse.then_some(Sparse { size, segments }))
}

/// Returns where the next bytes are that the file system has written down; its size where there are none.
fn next_data(file: &File, at: u64, size: u64) -> io::Result<u64> {
    match seek(file, SeekFrom::Data(at)) {
        Ok(data) => Ok(data.min(size)),
        Err(Errno::NXIO) => Ok(size),
        // A file system that does not know of holes has none.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(at),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether a block is all zeros. Most are told by their first bytes.
fn is_zero(file: &File, at: u64, block: &mut Vec<u8>) -> io::Result<bool> {
    let mut first = [0; 64];
    if !is_zero_part(file, at, &mut first)? {
        return Ok(false);
    }
    block.resize(BLOCK_BYTES as usize, 0);
    is_zero_part(file, at, block)
}

fn is_zero_part(file: &File, at: u64, buffer: &mut [u8]) -> io::Result<bool> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], at + done as u64) {
            // It has become shorter: nothing more to look at.
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(buffer[..done].iter().all(|byte| *byte == 0))
}
