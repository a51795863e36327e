//! Files of the host (never of a container) by path, with the path in every error.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::retry_on_intr;

use crate::{Context, Result};

/// Reads a whole file.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let path = path.as_ref();
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    open(path, flags, Mode::empty()).and_then(read_open).on_path("read", path)
}

/// Reads a whole text file.
pub fn read_to_string(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    String::from_utf8(read(path)?)
        .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))
        .on_path("read", path)
}

/// Reads what one call gives of a file, into a buffer of the caller's.
pub fn read_start(path: impl AsRef<Path>, buffer: &mut [u8]) -> Result<&[u8]> {
    let path = path.as_ref();
    let file = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).on_path("open", path)?;
    let count = retry_on_intr(|| rustix::io::read(&file, &mut *buffer)).on_path("read", path)?;
    Ok(&buffer[..count])
}

/// Reads an open file from where it is to its end.
///
/// `ps` reads several small files of each container. `std::fs::read` asks for the size first, reads what has none
/// (procfs) in pieces of 32 bytes and more, and, on musl, opens with two calls.
pub fn read_open(file: impl AsFd) -> rustix::io::Result<Vec<u8>> {
    // On the stack: musl maps and unmaps larger blocks of the heap each time.
    let mut start = [0; 4096];
    let mut len = 0;
    while len < start.len() {
        match retry_on_intr(|| rustix::io::read(&file, &mut start[len..]))? {
            0 => return Ok(start[..len].to_vec()),
            count => len += count,
        }
    }
    let mut bytes = start.to_vec();
    loop {
        if len == bytes.len() {
            bytes.resize(4 * len, 0);
        }
        match retry_on_intr(|| rustix::io::read(&file, &mut bytes[len..]))? {
            0 => break,
            count => len += count,
        }
    }
    bytes.truncate(len);
    Ok(bytes)
}

/// Writes an existing kernel file (procfs, cgroupfs) in one `write`.
pub fn write(path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Result<()> {
    crate::failpoint::step();
    use std::io::Write;
    let path = path.as_ref();
    let mut file = fs::OpenOptions::new().write(true).open(path).on_path("open", path)?;
    file.write_all(content.as_ref()).on_path("write", path)
}

/// Creates a directory and its missing parents with mode 0700: state directories are private
/// (CVE-2021-41091, CVE-2024-25621).
pub fn create_dir_all(path: impl AsRef<Path>) -> Result<()> {
    crate::failpoint::step();
    let path = path.as_ref();
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).on_path("create", path)
}

/// Returns whether something exists at the path.
pub fn exists(path: impl AsRef<Path>) -> bool {
    path.as_ref().symlink_metadata().is_ok()
}

/// Sets the permission bits of a file of the host.
pub fn set_mode(path: impl AsRef<Path>, mode: u32) -> Result<()> {
    let path = path.as_ref();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).on_path("set the mode of", path)
}
