//! Looking below a pinned directory: names, link texts and the bytes of regular files.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, fstat, openat, readlinkat, statat};
use rustix::io::Errno;

use super::Dir;
use crate::{Error, Result};

/// One name of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name, which may hold any byte but `/` and NUL.
    pub name: OsString,
    /// The kind of the file itself (a symlink is not followed).
    pub kind: FileType,
}

impl Dir {
    /// Lists a directory without `.` and `..`, in the file system's order.
    pub fn list(&self, rel: impl AsRef<Path>) -> Result<Vec<Entry>> {
        let rel = rel.as_ref();
        let list = || {
            let fd = self.open_raw(rel, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
            let mut entries = Vec::new();
            each_entry(&fd, |name, kind| {
                entries.push(Entry { name: name.to_owned(), kind });
                Ok(())
            })?;
            Ok(entries)
        };
        list().map_err(|errno| self.error("list", rel, errno))
    }

    /// Whether a directory has nothing in it; the rest of a long one is not read.
    pub fn is_empty(&self, rel: impl AsRef<Path>) -> Result<bool> {
        let rel = rel.as_ref();
        self.open_raw(rel, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())
            .and_then(super::copy::is_empty)
            .map_err(|errno| self.error("list", rel, errno))
    }

    /// Returns the text of a symlink.
    pub fn read_link(&self, rel: impl AsRef<Path>) -> Result<PathBuf> {
        self.at("read link", rel.as_ref(), |parent, name| {
            let target = readlinkat(parent, name, Vec::new())?;
            Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
        })
    }

    /// Returns the text of a symlink, nothing for what is none: a name may be swapped after it was looked at.
    pub fn read_link_if_any(&self, rel: impl AsRef<Path>) -> Result<Option<PathBuf>> {
        match self.read_link(rel) {
            // readlink(2): EINVAL is the answer for a file of another kind.
            Err(error) if error.errno() == Some(Errno::INVAL) => Ok(None),
            other => other.map(Some),
        }
    }

    /// Opens a regular file for reading, following symlinks inside the root; anything else is refused
    /// without being opened: a FIFO would hang and opening a device may act on it.
    pub fn open_regular(&self, rel: impl AsRef<Path>) -> Result<File> {
        let rel = rel.as_ref();
        let open = || {
            let pinned = fstat(self.open_raw(rel, OFlags::PATH, Mode::empty())?)?;
            is_regular(pinned.st_mode)?;
            // NONBLOCK and the second look: the name may have been swapped since the first one.
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
            let fd = self.open_raw(rel, flags, Mode::empty())?;
            is_regular(fstat(&fd)?.st_mode)?;
            Ok(File::from(fd))
        };
        open().map_err(|errno| self.error("open file", rel, errno))
    }

    /// Reads a regular file of at most `bytes_max` bytes (CVE-2024-9676, CVE-2026-47262: `/etc/passwd`
    /// of an image as FIFO, device or endless sparse file).
    pub fn read_regular(&self, rel: impl AsRef<Path>, bytes_max: usize) -> Result<Vec<u8>> {
        let rel = rel.as_ref();
        let file = self.open_regular(rel)?;
        let mut bytes = Vec::new();
        let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
        let read = file.take(limit).read_to_end(&mut bytes);
        let what = || format!("cannot read `{}`", self.label.join(super::relative(rel)).display());
        read.map_err(|source| Error::new(what(), source))?;
        if bytes.len() > bytes_max {
            return Err(Error::new(format!("{}: more than {bytes_max} bytes", what()), Errno::FBIG));
        }
        Ok(bytes)
    }

    /// Opens this directory for reading: the handle itself is `O_PATH`.
    pub(super) fn readable(&self) -> Result<OwnedFd, Errno> {
        openat(&self.fd, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
    }
}

fn is_regular(mode: u32) -> Result<(), Errno> {
    match FileType::from_raw_mode(mode) {
        FileType::RegularFile => Ok(()),
        FileType::Directory => Err(Errno::ISDIR),
        // What open(2) says of a device that is not there: the nearest to "not a plain file".
        _ => Err(Errno::NXIO),
    }
}

/// Calls `visit` for each name of an open directory, with memory that does not grow with it.
pub(super) fn each_entry<Fd: AsFd>(
    fd: Fd,
    mut visit: impl FnMut(&OsStr, FileType) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let mut buffer = Vec::with_capacity(32 << 10);
    let mut entries = RawDir::new(fd.as_fd(), buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        let kind = match entry.file_type() {
            // Some file systems do not tell; /proc does not of a process that has just ended.
            FileType::Unknown => match statat(fd.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(errno),
            },
            kind => kind,
        };
        visit(name, kind)?;
    }
    Ok(())
}
