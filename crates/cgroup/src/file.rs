//! Small reads and writes of cgroup files below a directory descriptor.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, openat};
use rustix::io::{Errno, Result};

/// Writes one value in one call: a cgroup file takes it whole or refuses it whole.
///
/// Allocates nothing, so it may be used between a fork and an exec.
pub(crate) fn write(dir: BorrowedFd<'_>, name: &str, value: &[u8]) -> Result<()> {
    let fd = openat(dir, name, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    write_open(&fd, value)
}

/// Writes one value to a file that is open already.
pub(crate) fn write_open(fd: &OwnedFd, value: &[u8]) -> Result<()> {
    sys::failpoint::step();
    rustix::io::retry_on_intr(|| rustix::io::write(fd, value)).map(drop)
}

/// Reads a whole file.
pub(crate) fn read(dir: BorrowedFd<'_>, name: &str) -> Result<String> {
    let fd = openat(dir, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    String::from_utf8(sys::fs::read_open(fd)?).map_err(|_| Errno::ILSEQ)
}

/// Reads a whole file by its absolute path.
pub(crate) fn read_path(path: &str) -> Result<String> {
    read(CWD, path)
}

/// Reads the start of a file into a buffer of the caller; allocates nothing.
pub(crate) fn read_into<'b>(dir: BorrowedFd<'_>, name: &str, buffer: &'b mut [u8]) -> Result<&'b [u8]> {
    let fd = openat(dir, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let len = rustix::io::retry_on_intr(|| rustix::io::read(&fd, &mut *buffer))?;
    Ok(buffer[..len].trim_ascii())
}

/// Opens a directory so that it can be listed and polled, and given to `clone3` or `bpf`.
pub(crate) fn open_dir(dir: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    openat(dir, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())
}

/// Opens a directory as a mere place below which files are opened.
pub(crate) fn open_place(dir: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    openat(dir, name, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Returns the names of the child directories.
pub(crate) fn child_dirs(dir: BorrowedFd<'_>) -> Result<Vec<String>> {
    list(dir, |kind| kind == FileType::Directory)
}

/// Returns the names of the files.
pub(crate) fn names(dir: BorrowedFd<'_>) -> Result<Vec<String>> {
    list(dir, |kind| kind == FileType::RegularFile)
}

fn list(dir: BorrowedFd<'_>, wanted: impl Fn(FileType) -> bool) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(open_dir(dir, ".")?)? {
        let entry = entry?;
        if wanted(entry.file_type())
            && let Ok(name) = entry.file_name().to_str()
            && name != "."
            && name != ".."
        {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}
