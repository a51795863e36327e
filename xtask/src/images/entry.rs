//! A file of a layer as a value, and how it stands in a tar archive. Knows nothing of images.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

/// Time of every file that asks for no other: archives must not depend on the day they are made.
pub(super) const MTIME: u64 = 1_700_000_000;

/// One file of a layer.
#[derive(Clone)]
pub(super) struct Entry {
    /// Relative to the root, any bytes but NUL.
    pub(super) path: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: u64,
    pub(super) xattrs: BTreeMap<String, Vec<u8>>,
}

#[derive(Clone)]
pub(super) enum Kind {
    Directory,
    File(Vec<u8>),
    /// A file of this size with the pieces that are not holes, in order, each a multiple of 512 long.
    Sparse(u64, Vec<(u64, Vec<u8>)>),
    Symlink(Vec<u8>),
    Hardlink(Vec<u8>),
    Char(u32, u32),
    Block(u32, u32),
    Fifo,
}

impl Entry {
    pub(super) fn new(path: impl Into<Vec<u8>>, kind: Kind) -> Self {
        let mode = match kind {
            Kind::Directory => 0o755,
            Kind::Symlink(_) => 0o777,
            _ => 0o644,
        };
        Self { path: path.into(), kind, mode, uid: 0, gid: 0, mtime: MTIME, xattrs: BTreeMap::new() }
    }

    pub(super) fn dir(path: &str) -> Self {
        Self::new(path, Kind::Directory)
    }

    pub(super) fn file(path: impl Into<Vec<u8>>, content: impl Into<Vec<u8>>) -> Self {
        Self::new(path, Kind::File(content.into()))
    }

    pub(super) fn symlink(path: &str, target: &str) -> Self {
        Self::new(path, Kind::Symlink(target.into()))
    }

    pub(super) fn hardlink(path: &str, target: &str) -> Self {
        Self::new(path, Kind::Hardlink(target.into()))
    }

    pub(super) fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    pub(super) fn owner(mut self, uid: u32, gid: u32) -> Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    pub(super) fn mtime(mut self, mtime: u64) -> Self {
        self.mtime = mtime;
        self
    }

    pub(super) fn xattr(mut self, name: &str, value: &[u8]) -> Self {
        self.xattrs.insert(name.into(), value.into());
        self
    }

    /// The whole content of a regular file, holes as zeros.
    pub(super) fn content(&self) -> Option<Vec<u8>> {
        match &self.kind {
            Kind::File(content) => Some(content.clone()),
            Kind::Sparse(size, pieces) => {
                let mut content = vec![0; usize::try_from(*size).ok()?];
                for (offset, piece) in pieces {
                    let offset = usize::try_from(*offset).ok()?;
                    content[offset..offset + piece.len()].copy_from_slice(piece);
                }
                Some(content)
            }
            _ => None,
        }
    }
}

/// How names that do not fit the old header are written; both are found in the wild.
#[derive(Clone, Copy)]
pub(super) enum LongNames {
    /// GNU's `L` and `K` entries.
    Gnu,
    /// `path` and `linkpath` records of POSIX extended headers.
    Pax,
}

/// Writes a layer as an uncompressed tar archive.
pub(super) fn write_tar(entries: &[Entry], names: LongNames) -> Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    for entry in entries {
        let entry = &like_original(entry, entries);
        append(&mut tar, entry, names)
            .with_context(|| format!("cannot write entry `{}`", entry.path.escape_ascii()))?;
    }
    Ok(tar.into_inner()?)
}

/// Gives a hard link the attributes of the file it names, as archivers write them: some readers apply
/// those of the last name they meet.
fn like_original(entry: &Entry, entries: &[Entry]) -> Entry {
    let Kind::Hardlink(target) = &entry.kind else { return entry.clone() };
    let original = entries.iter().find(|original| original.path == *target);
    let original = original.expect("recipes link to files of the same layer").clone();
    Entry { path: entry.path.clone(), kind: entry.kind.clone(), xattrs: BTreeMap::new(), ..original }
}

fn append(tar: &mut Builder<Vec<u8>>, entry: &Entry, names: LongNames) -> Result<()> {
    let mut header = header_of(entry)?;
    let mut records: Vec<(String, &[u8])> = Vec::new();
    for (name, value) in &entry.xattrs {
        records.push((format!("SCHILY.xattr.{name}"), value));
    }
    let long = entry.path.len() > 100;
    let by_pax = long && matches!(names, LongNames::Pax);
    if by_pax {
        records.push(("path".into(), &entry.path));
    }
    if !records.is_empty() {
        tar.append_pax_extensions(records.iter().map(|(name, value)| (name.as_str(), *value)))?;
    }
    if let Kind::Sparse(size, pieces) = &entry.kind {
        return append_sparse(tar, header, entry, *size, pieces);
    }
    let content = if let Kind::File(content) = &entry.kind { content.as_slice() } else { &[] };
    if by_pax {
        set_name(&mut header, &entry.path[..100]);
        header.set_cksum();
        return Ok(tar.append(&header, content)?);
    }
    let path = Path::new(OsStr::from_bytes(&entry.path));
    match &entry.kind {
        Kind::Symlink(target) | Kind::Hardlink(target) => {
            tar.append_link(&mut header, path, Path::new(OsStr::from_bytes(target)))?;
        }
        _ => tar.append_data(&mut header, path, content)?,
    }
    Ok(())
}

fn header_of(entry: &Entry) -> Result<Header> {
    let mut header = Header::new_gnu();
    header.set_entry_type(match entry.kind {
        Kind::Directory => EntryType::Directory,
        Kind::File(_) => EntryType::Regular,
        Kind::Sparse(..) => EntryType::GNUSparse,
        Kind::Symlink(_) => EntryType::Symlink,
        Kind::Hardlink(_) => EntryType::Link,
        Kind::Char(..) => EntryType::Char,
        Kind::Block(..) => EntryType::Block,
        Kind::Fifo => EntryType::Fifo,
    });
    header.set_mode(entry.mode);
    header.set_uid(entry.uid.into());
    header.set_gid(entry.gid.into());
    header.set_mtime(entry.mtime);
    header.set_size(if let Kind::File(content) = &entry.kind { content.len() as u64 } else { 0 });
    if let Kind::Char(major, minor) | Kind::Block(major, minor) = entry.kind {
        header.set_device_major(major)?;
        header.set_device_minor(minor)?;
    }
    Ok(header)
}

/// Writes GNU's old sparse format: the map of pieces stands in the header, at most four of them.
fn append_sparse(
    tar: &mut Builder<Vec<u8>>,
    mut header: Header,
    entry: &Entry,
    size: u64,
    pieces: &[(u64, Vec<u8>)],
) -> Result<()> {
    set_name(&mut header, &entry.path);
    let gnu = header.as_gnu_mut().context("not a GNU header")?;
    anyhow::ensure!(pieces.len() <= gnu.sparse.len(), "more pieces than fit one header");
    for (slot, (offset, piece)) in gnu.sparse.iter_mut().zip(pieces) {
        octal(&mut slot.offset, *offset)?;
        octal(&mut slot.numbytes, piece.len() as u64)?;
    }
    octal(&mut gnu.realsize, size)?;
    let stored: Vec<u8> = pieces.iter().flat_map(|(_, piece)| piece.iter().copied()).collect();
    header.set_size(stored.len() as u64);
    header.set_cksum();
    Ok(tar.append(&header, stored.as_slice())?)
}

fn octal(field: &mut [u8; 12], value: u64) -> Result<()> {
    write!(&mut field[..], "{value:011o}\0")?;
    Ok(())
}

fn set_name(header: &mut Header, name: &[u8]) {
    header.as_old_mut().name = [0; 100];
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
}

/// Returns lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the SHA-256 of the bytes as 64 digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
