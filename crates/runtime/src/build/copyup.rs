//! `tmpcopyup`: a tmpfs that begins with what the image has at its place (runtime-spec, "Linux mount options").

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::FileType;
use sys::{Context, Dir};

use super::{Builder, Outcome};

/// The option's word; file systems do not know it.
pub(super) const WORD: &str = "tmpcopyup";

impl Builder<'_> {
    /// Copies a directory of the container into a mount that has no place yet.
    pub(super) fn copy_up(&self, destination: &Path, mount: &OwnedFd) -> Outcome<()> {
        let source = match self.root()?.open_dir(destination) {
            Ok(source) => source,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mount = mount.try_clone().context(|| "cannot keep a mount".into())?;
        // Nothing in there is followed: links are copied as links.
        copy_directory(&source.strict(), &Dir::from_fd(mount, destination).strict())?;
        Ok(())
    }
}

fn copy_directory(from: &Dir, to: &Dir) -> sys::Result<()> {
    for entry in from.list(".")? {
        let name = Path::new(&entry.name);
        let stat = from.lstat(name)?;
        let mode = stat.st_mode & 0o7777;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                to.mkdir(name, 0o700)?;
                copy_directory(&from.open_dir(name)?, &to.open_dir(name)?)?;
            }
            FileType::RegularFile => {
                let mut source = from.open_regular(name)?;
                let mut copy = std::fs::File::from(to.create_file(name, 0o600)?);
                io::copy(&mut source, &mut copy).on_path("copy up", &from.label().join(name))?;
            }
            FileType::Symlink => to.symlink(from.read_link(name)?, name)?,
            // Whoever listened there does not listen here.
            FileType::Socket => continue,
            kind => to.mknod(name, kind, 0o600, stat.st_rdev)?,
        }
        to.chown(name, stat.st_uid, stat.st_gid)?;
        if !FileType::from_raw_mode(stat.st_mode).is_symlink() {
            // After the owner, whose change takes set-id bits away.
            to.chmod(name, mode)?;
        }
        copy_attributes(from, to, name);
    }
    Ok(())
}

/// Copies extended attributes, such as file capabilities, as far as a tmpfs keeps them.
fn copy_attributes(from: &Dir, to: &Dir, name: &Path) {
    for attribute in from.listxattr(name).unwrap_or_default() {
        use std::os::unix::ffi::OsStrExt;
        let attribute = std::ffi::OsStr::from_bytes(&attribute);
        if let Ok(Some(value)) = from.getxattr(name, attribute) {
            let _ = to.setxattr(name, attribute, &value);
        }
    }
}
