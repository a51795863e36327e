//! Files of the host (never of a container) by path, with the path in every error.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use crate::{Context, Result};

/// Reads a whole file.
#[expect(clippy::disallowed_methods, reason = "this is the wrapper that adds the path")]
pub fn read(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let path = path.as_ref();
    fs::read(path).on_path("read", path)
}

/// Reads a whole text file.
#[expect(clippy::disallowed_methods, reason = "this is the wrapper that adds the path")]
pub fn read_to_string(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    fs::read_to_string(path).on_path("read", path)
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
