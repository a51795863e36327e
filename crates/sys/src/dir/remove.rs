//! Removing things below a pinned directory, whole trees included.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, chmodat, fstat, openat, openat2, unlinkat,
};
use rustix::io::Errno;

use super::read::each_entry;
use super::{Dir, RACE_TRIES, proc_path};
use crate::Result;

impl Dir {
    /// Removes a name that is not a directory.
    pub fn unlink(&self, rel: impl AsRef<Path>) -> Result<()> {
        self.at("remove", rel.as_ref(), |parent, name| unlinkat(parent, name, AtFlags::empty()))
    }

    /// Removes an empty directory.
    pub fn rmdir(&self, rel: impl AsRef<Path>) -> Result<()> {
        self.at("remove directory", rel.as_ref(), |parent, name| unlinkat(parent, name, AtFlags::REMOVEDIR))
    }

    /// Removes whatever lies at the path with all below it; nothing there is no error.
    ///
    /// No symlink is followed, no mount point entered (EXDEV names it), the depth is bounded by
    /// neither stack nor descriptors: one directory is open at a time, and the way up is checked
    /// against the inode that was left. A directory moved meanwhile ends the removal with EAGAIN.
    pub fn remove_tree(&self, rel: impl AsRef<Path>) -> Result<()> {
        self.at("remove tree", rel.as_ref(), |parent, name| match unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR) => match remove_directory(parent, name) {
                Err(Errno::NOENT) => Ok(()),
                other => other,
            },
            Err(errno) => Err(errno),
        })
    }

    /// Removes all that lies in this directory and keeps the directory.
    pub fn remove_contents(&self) -> Result<()> {
        for entry in self.list("")? {
            self.remove_tree(Path::new(&entry.name))?;
        }
        Ok(())
    }
}

/// One directory on the way down.
struct Level {
    name: OsString,
    /// Device and inode of its parent: where `..` must lead.
    parent: (u64, u64),
    /// Subdirectories still to be removed.
    pending: Vec<OsString>,
    sweeps: usize,
}

fn remove_directory(root: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
    let mut here = descend(root, name)?;
    let pending = sweep(&here)?;
    let mut levels = vec![Level { name: name.to_owned(), parent: identity(root)?, pending, sweeps: 0 }];
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.pending.pop() {
            let parent = identity(here.as_fd())?;
            here = match descend(here.as_fd(), &name) {
                Ok(fd) => fd,
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue,
                Err(errno) => return Err(errno),
            };
            let pending = sweep(&here)?;
            levels.push(Level { name, parent, pending, sweeps: 0 });
            continue;
        }
        let up = if levels.len() == 1 {
            root.try_clone_to_owned().map_err(|_| Errno::MFILE)?
        } else {
            ascend(&here)?
        };
        let level = levels.last_mut().expect("the loop holds one");
        if identity(up.as_fd())? != level.parent {
            return Err(Errno::AGAIN);
        }
        crate::failpoint::step();
        match unlinkat(&up, &level.name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {
                levels.pop();
                here = up;
            }
            // Somebody added names, or the file system skipped some while we deleted: look again.
            Err(Errno::NOTEMPTY) if level.sweeps < RACE_TRIES => {
                level.sweeps += 1;
                level.pending = sweep(&here)?;
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Opens a subdirectory without following a symlink or entering a mount. One that its mode keeps us
/// out of is made accessible first: it is about to go.
fn descend(parent: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    match openat2(parent, name, flags, Mode::empty(), resolve) {
        Err(Errno::ACCESS) => {
            let pinned = openat2(parent, name, OFlags::PATH | flags, Mode::empty(), resolve)?;
            chmodat(CWD, proc_path(pinned.as_fd(), None), Mode::RWXU, AtFlags::empty())?;
            openat2(parent, name, flags, Mode::empty(), resolve)
        }
        other => other,
    }
}

fn ascend(here: &OwnedFd) -> Result<OwnedFd, Errno> {
    openat(here, "..", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Unlinks all that is not a directory and returns the names of the directories.
fn sweep(dir: &OwnedFd) -> Result<Vec<OsString>, Errno> {
    let mut directories = Vec::new();
    let mut writable = false;
    rustix::fs::seek(dir, rustix::fs::SeekFrom::Start(0))?;
    each_entry(dir, |name, kind| {
        if kind == FileType::Directory {
            directories.push(name.to_owned());
            return Ok(());
        }
        crate::failpoint::step();
        match unlinkat(dir, name, AtFlags::empty()) {
            Err(Errno::ACCESS) if !writable => {
                writable = true;
                rustix::fs::fchmod(dir, Mode::RWXU)?;
                unlinkat(dir, name, AtFlags::empty())
            }
            Err(Errno::NOENT) => Ok(()),
            // Became a directory since it was listed.
            Err(Errno::ISDIR) => {
                directories.push(name.to_owned());
                Ok(())
            }
            other => other,
        }
    })?;
    Ok(directories)
}

fn identity(fd: BorrowedFd<'_>) -> Result<(u64, u64), Errno> {
    let stat = fstat(fd)?;
    Ok((stat.st_dev, stat.st_ino))
}
