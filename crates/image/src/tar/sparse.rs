//! Sparse files: where the pieces of data in the archive belong in the file.
//!
//! Four ways to write the map: old GNU (in the header and blocks after it), PAX 0.0 (repeated
//! records), 0.1 (one record), 1.0 (text before the data).

use std::io::BufRead;

use super::header::{BLOCK, Block, unsigned};
use super::pax::{Pax, decimal};
use super::{Fault, TarReader};

const SEGMENTS_MAX: u64 = 1 << 20;

/// The map of a sparse file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sparse {
    /// The size of the file with its holes.
    pub(crate) size: u64,
    /// Offset and length of each piece of data, in order and without overlap.
    pub(crate) segments: Vec<(u64, u64)>,
}

impl Sparse {
    /// Checks that the pieces are in order, lie inside the file and amount to the data there is.
    fn checked(mut self, data: u64) -> Result<Self, Fault> {
        let mut end = 0;
        let mut sum = 0_u64;
        for (offset, len) in &self.segments {
            let next = offset.checked_add(*len).ok_or(Fault::Sparse)?;
            if *offset < end || next > self.size {
                return Err(Fault::Sparse);
            }
            end = next;
            sum += len;
        }
        self.segments.retain(|(_, len)| *len > 0);
        if sum == data && self.size <= i64::MAX.cast_unsigned() { Ok(self) } else { Err(Fault::Sparse) }
    }

    fn push(&mut self, offset: u64, len: u64) -> Result<(), Fault> {
        if self.segments.len() as u64 >= SEGMENTS_MAX {
            return Err(Fault::Sparse);
        }
        self.segments.push((offset, len));
        Ok(())
    }

    /// Adds fields of 24 bytes each until one is blank.
    fn push_fields(&mut self, fields: &[u8]) -> Result<(), Fault> {
        for field in fields.chunks_exact(24) {
            if field[0] == 0 {
                break;
            }
            self.push(unsigned(&field[..12], "sparse offset")?, unsigned(&field[12..], "sparse length")?)?;
        }
        Ok(())
    }
}

impl<R: BufRead> TarReader<R> {
    /// Reads the map of an old GNU sparse entry, with the blocks that continue it.
    pub(super) fn old_gnu_sparse(&mut self, block: &Block) -> Result<Sparse, Fault> {
        let bytes = block.bytes();
        let size = unsigned(&bytes[483..495], "real size")?;
        let mut sparse = Sparse { size, segments: Vec::new() };
        sparse.push_fields(&bytes[386..482])?;
        let mut more = bytes[482] != 0;
        while more {
            let mut block = [0; BLOCK];
            // These blocks are not counted in the entry's size.
            if self.fill(&mut block)? != BLOCK {
                return Err(Fault::Truncated);
            }
            sparse.push_fields(&block[..504])?;
            more = block[504] != 0;
        }
        sparse.checked(self.data)
    }

    /// Reads the map that PAX records announce; `None` where they announce none.
    pub(super) fn pax_sparse(&mut self, pax: &Pax) -> Result<Option<Sparse>, Fault> {
        let major = pax.number(b"GNU.sparse.major", "GNU.sparse.major")?;
        let minor = pax.number(b"GNU.sparse.minor", "GNU.sparse.minor")?;
        let size = pax.number(b"GNU.sparse.size", "GNU.sparse.size")?;
        let sparse = match (major, minor, size) {
            (None, _, None) => return Ok(None),
            (None | Some(0), _, Some(size)) => version_0(pax, size)?,
            (Some(1), Some(0), _) => {
                let size = pax.number(b"GNU.sparse.realsize", "GNU.sparse.realsize")?.ok_or(Fault::Sparse)?;
                self.version_1(size)?
            }
            (major, minor, _) => {
                let number = |part: Option<u64>| part.unwrap_or_default();
                return Err(Fault::SparseVersion(format!("{}.{}", number(major), number(minor))));
            }
        };
        sparse.checked(self.data).map(Some)
    }

    fn version_1(&mut self, size: u64) -> Result<Sparse, Fault> {
        let mut sparse = Sparse { size, segments: Vec::new() };
        let mut block = [0; BLOCK];
        let mut at = BLOCK;
        let mut next = |reader: &mut Self| {
            let mut digits = Vec::new();
            loop {
                if at == BLOCK {
                    reader.read_data(&mut block)?;
                    at = 0;
                }
                let byte = block[at];
                at += 1;
                match byte {
                    b'\n' => return decimal(&digits).ok_or(Fault::Sparse),
                    _ if digits.len() > 20 => return Err(Fault::Sparse),
                    byte => digits.push(byte),
                }
            }
        };
        let count = next(self)?;
        for _ in 0..count {
            let (offset, len) = (next(self)?, next(self)?);
            sparse.push(offset, len)?;
        }
        Ok(sparse)
    }
}

fn version_0(pax: &Pax, size: u64) -> Result<Sparse, Fault> {
    let mut sparse = Sparse { size, segments: Vec::new() };
    let number = |text: &[u8]| decimal(text).ok_or(Fault::Sparse);
    if let Some(map) = pax.get(b"GNU.sparse.map") {
        let numbers = map.split(|byte| *byte == b',').map(number).collect::<Result<Vec<_>, _>>()?;
        if numbers.len() % 2 != 0 {
            return Err(Fault::Sparse);
        }
        numbers.chunks_exact(2).try_for_each(|pair| sparse.push(pair[0], pair[1]))?;
        return Ok(sparse);
    }
    let mut offset = None;
    for (key, value) in pax.records() {
        match key {
            b"GNU.sparse.offset" if offset.is_none() => offset = Some(number(value)?),
            b"GNU.sparse.numbytes" => sparse.push(offset.take().ok_or(Fault::Sparse)?, number(value)?)?,
            b"GNU.sparse.offset" => return Err(Fault::Sparse),
            _ => {}
        }
    }
    if offset.is_some() { Err(Fault::Sparse) } else { Ok(sparse) }
}
