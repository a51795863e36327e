//! Tar archives entry by entry. The reader knows ustar, GNU and PAX, and sparse files of all four formats; what is
//! written is told in `write`.
//!
//! An own reader and not the `tar` crate's, because layers are hostile input: extension headers are
//! bounded, a malformed PAX record is an error and never skipped, sizes that contradict each other
//! are refused (CVE-2025-62518: two readers of one archive saw different entries), and PAX sparse
//! files, which that crate does not know, are read. It borrows the bytes of its source, so that file
//! data is written from the buffer it was decompressed into.

mod header;
mod pax;
mod sparse;
mod write;

#[cfg(test)]
mod tests;

use std::io::BufRead;

use header::{BLOCK, Block};
use pax::Pax;
pub(crate) use sparse::Sparse;
use sys::one_line;
pub(crate) use write::TarWriter;

/// Limit of one extension header (long name or PAX records): Go's reader has the same.
const EXTENSION_BYTES_MAX: u64 = 1 << 20;

/// One entry; its data is read from the reader next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Kind,
    /// Permission bits with setuid, setgid and sticky.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime: Time,
    pub(crate) atime: Option<Time>,
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file with this many bytes of data in the archive.
    File {
        size: u64,
        sparse: Option<Sparse>,
    },
    Directory,
    Symlink(Vec<u8>),
    Hardlink(Vec<u8>),
    Fifo,
    Character {
        major: u32,
        minor: u32,
    },
    Block {
        major: u32,
        minor: u32,
    },
}

/// Seconds and nanoseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Time {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
}

/// Why bytes are no tar archive, and where.
#[derive(Debug, thiserror::Error)]
#[error("invalid tar archive at byte {offset}{}", describe(path))]
pub struct TarError {
    offset: u64,
    path: Option<String>,
    #[source]
    fault: Fault,
}

fn describe(path: &Option<String>) -> String {
    path.as_ref().map(|path| format!(", entry `{}`", one_line(path))).unwrap_or_default()
}

/// What is wrong with it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("cannot read it")]
    Read(#[from] std::io::Error),
    #[error("it ends in the middle")]
    Truncated,
    #[error("the header's checksum does not match")]
    Checksum,
    #[error("field `{0}` is not a number in range")]
    Number(&'static str),
    #[error("a lone zero block")]
    LoneZeroBlock,
    #[error("extension header of {0} bytes is too large")]
    Extension(u64),
    #[error("extension header without an entry after it")]
    Dangling,
    #[error("malformed PAX record")]
    Pax,
    #[error("PAX record `{}` cannot be used in a global header", one_line(.0))]
    Global(String),
    #[error("sizes contradict each other")]
    Size,
    #[error("sparse map is malformed")]
    Sparse,
    #[error("sparse format {} is not supported", one_line(.0))]
    SparseVersion(String),
    #[error("entry type `{}` is not supported", .0.escape_default())]
    Type(char),
    #[error("name is empty or holds a NUL byte")]
    Name,
}

impl TarError {
    /// Whether reading failed, rather than what was read.
    pub(crate) fn is_read(&self) -> bool {
        matches!(self.fault, Fault::Read(_))
    }
}

/// Reads the entries of an archive in order.
#[derive(Debug)]
pub(crate) struct TarReader<R> {
    source: R,
    offset: u64,
    /// Data of the current entry that has not been read, and the padding after it.
    data: u64,
    padding: u64,
    path: Option<String>,
}

impl<R: BufRead> TarReader<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, offset: 0, data: 0, padding: 0, path: None }
    }

    /// Returns the next entry, skipping what is left of the one before; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, TarError> {
        self.path = None;
        self.next_entry().map_err(|fault| self.error(fault))
    }

    /// Hands the data of the current entry to `sink` piece by piece.
    pub(crate) fn data<E>(&mut self, mut sink: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E>
    where
        E: From<TarError>,
    {
        while self.data > 0 {
            let piece = match self.source.fill_buf() {
                Ok(piece) => piece,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.error(Fault::Read(error)).into()),
            };
            if piece.is_empty() {
                return Err(self.error(Fault::Truncated).into());
            }
            let len = piece.len().min(usize::try_from(self.data).unwrap_or(usize::MAX));
            sink(&piece[..len])?;
            self.consume(len);
        }
        Ok(())
    }

    fn consume(&mut self, len: usize) {
        self.source.consume(len);
        self.offset += len as u64;
        self.data -= len as u64;
    }

    fn error(&self, fault: Fault) -> TarError {
        TarError { offset: self.offset, path: self.path.clone(), fault }
    }

    fn next_entry(&mut self) -> Result<Option<Entry>, Fault> {
        let mut pax = Pax::default();
        let mut long_name = None;
        let mut long_link = None;
        let mut extended = false;
        loop {
            self.skip()?;
            let Some(block) = self.header()? else {
                return if extended { Err(Fault::Dangling) } else { Ok(None) };
            };
            let size = block.size()?;
            match block.kind() {
                b'x' => pax = Pax::parse(&self.extension(size)?)?,
                b'g' => Pax::parse(&self.extension(size)?)?.check_global()?,
                b'L' => long_name = Some(trim_nul(self.extension(size)?)),
                b'K' => long_link = Some(trim_nul(self.extension(size)?)),
                // GNU's volume label says nothing about files.
                b'V' => {
                    self.set_data(0);
                    continue;
                }
                _ => return self.entry(&block, size, &pax, long_name, long_link).map(Some),
            }
            extended = block.kind() != b'g';
        }
    }

    fn entry(
        &mut self,
        block: &Block,
        header_size: u64,
        pax: &Pax,
        long_name: Option<Vec<u8>>,
        long_link: Option<Vec<u8>>,
    ) -> Result<Entry, Fault> {
        let mut path = pax.path().map(<[u8]>::to_vec).or(long_name).unwrap_or_else(|| block.path());
        self.path = Some(String::from_utf8_lossy(&path).into_owned());
        let size = match pax.size()? {
            // A reader that knows PAX and one that does not must see the same entries, unless the size
            // does not fit the old field (8 GiB).
            Some(size) if header_size != 0 && size != header_size => return Err(Fault::Size),
            size => size.unwrap_or(header_size),
        };
        self.set_data(size);
        let sparse = match block.kind() {
            b'S' => Some(self.old_gnu_sparse(block)?),
            _ => self.pax_sparse(pax)?,
        };
        if let Some(name) = pax.sparse_name() {
            path = name.to_vec();
            self.path = Some(String::from_utf8_lossy(&path).into_owned());
        }
        let link = pax.link().map(<[u8]>::to_vec).or(long_link).unwrap_or_else(|| block.link());
        let kind = self.kind(block, &path, link, sparse)?;
        if path.is_empty() || path.contains(&0) {
            return Err(Fault::Name);
        }
        Ok(Entry {
            path,
            kind,
            mode: block.mode()?,
            uid: pax.uid()?.map_or_else(|| block.uid(), Ok)?,
            gid: pax.gid()?.map_or_else(|| block.gid(), Ok)?,
            mtime: pax.mtime()?.map_or_else(|| block.mtime(), Ok)?,
            atime: pax.atime()?,
            xattrs: pax.xattrs(),
        })
    }

    fn kind(
        &mut self,
        block: &Block,
        path: &[u8],
        link: Vec<u8>,
        sparse: Option<Sparse>,
    ) -> Result<Kind, Fault> {
        let kind = match block.kind() {
            // Before ustar a directory was a file whose name ends so.
            0 if path.ends_with(b"/") => Kind::Directory,
            0 | b'0' | b'7' | b'S' => return Ok(Kind::File { size: self.data, sparse }),
            b'1' => {
                // Some writers repeat the size of the file; no data follows (GNU tar, Go).
                self.set_data(0);
                Kind::Hardlink(link)
            }
            b'2' => Kind::Symlink(link),
            b'3' => Kind::Character { major: block.major()?, minor: block.minor()? },
            b'4' => Kind::Block { major: block.major()?, minor: block.minor()? },
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            other => return Err(Fault::Type(char::from(other))),
        };
        if self.data != 0 || sparse.is_some() {
            // Readers disagree whether data follows.
            return Err(Fault::Size);
        }
        match &kind {
            Kind::Symlink(link) | Kind::Hardlink(link) if link.is_empty() || link.contains(&0) => {
                Err(Fault::Name)
            }
            _ => Ok(kind),
        }
    }

    fn set_data(&mut self, size: u64) {
        self.data = size;
        self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    }

    /// Reads a header; `None` at the two zero blocks that end an archive, or where it simply stops.
    fn header(&mut self) -> Result<Option<Block>, Fault> {
        let Some(block) = self.block()? else { return Ok(None) };
        if !block.is_zero() {
            block.check()?;
            return Ok(Some(block));
        }
        match self.block()? {
            Some(second) if !second.is_zero() => Err(Fault::LoneZeroBlock),
            _ => Ok(None),
        }
    }

    fn block(&mut self) -> Result<Option<Block>, Fault> {
        let mut bytes = [0; BLOCK];
        match self.fill(&mut bytes)? {
            0 => Ok(None),
            BLOCK => Ok(Some(Block::new(bytes))),
            _ => Err(Fault::Truncated),
        }
    }

    /// Reads the content of an extension header.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>, Fault> {
        if size > EXTENSION_BYTES_MAX {
            return Err(Fault::Extension(size));
        }
        self.set_data(size);
        let mut bytes = vec![0; usize::try_from(size).expect("bounded above")];
        self.read_data(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads exactly so much of the current entry's data.
    fn read_data(&mut self, bytes: &mut [u8]) -> Result<(), Fault> {
        if bytes.len() as u64 > self.data || self.fill(bytes)? != bytes.len() {
            return Err(Fault::Truncated);
        }
        self.data -= bytes.len() as u64;
        Ok(())
    }

    fn skip(&mut self) -> Result<(), Fault> {
        let mut rest = self.data.checked_add(self.padding).ok_or(Fault::Number("size"))?;
        (self.data, self.padding) = (0, 0);
        while rest > 0 {
            let available = self.source.fill_buf()?.len();
            if available == 0 {
                return Err(Fault::Truncated);
            }
            let len = available.min(usize::try_from(rest).unwrap_or(usize::MAX));
            self.source.consume(len);
            self.offset += len as u64;
            rest -= len as u64;
        }
        Ok(())
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<usize, Fault> {
        let mut len = 0;
        while len < bytes.len() {
            match self.source.read(&mut bytes[len..]) {
                Ok(0) => break,
                Ok(read) => len += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.offset += len as u64;
        Ok(len)
    }
}

fn trim_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
        bytes.truncate(end);
    }
    bytes
}
