//! Owner, mode, times and extended attributes below a pinned directory; a final symlink is never followed.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Gid, Mode, OFlags, Stat, Statx, StatxFlags, Timestamps, Uid, XattrFlags, chmodat, chownat,
    fgetxattr, flistxattr, fstat, fsync, lgetxattr, llistxattr, lremovexattr, lsetxattr, openat, statat,
    statx, syncfs, utimensat,
};
use rustix::io::Errno;

use super::{Dir, proc_path};
use crate::Result;

impl Dir {
    /// Returns what lies at the path itself, a symlink included.
    pub fn lstat(&self, rel: impl AsRef<Path>) -> Result<Stat> {
        self.at("stat", rel.as_ref(), |parent, name| statat(parent, name, AtFlags::SYMLINK_NOFOLLOW))
    }

    /// Returns what lies at the path after following symlinks inside the root.
    pub fn stat(&self, rel: impl AsRef<Path>) -> Result<Stat> {
        let fd = self.open_path(rel.as_ref())?;
        fstat(&fd).map_err(|errno| self.error("stat", rel.as_ref(), errno))
    }

    /// Returns the extended status (birth time, mount id) of the path itself.
    pub fn statx(&self, rel: impl AsRef<Path>, mask: StatxFlags) -> Result<Statx> {
        self.at("stat", rel.as_ref(), |parent, name| statx(parent, name, AtFlags::SYMLINK_NOFOLLOW, mask))
    }

    /// Returns the status of this directory.
    pub fn stat_self(&self) -> Result<Stat> {
        fstat(&self.fd).map_err(|errno| self.error("stat", Path::new(""), errno))
    }

    /// Whether anything, be it a dangling symlink, lies at the path.
    pub fn exists(&self, rel: impl AsRef<Path>) -> Result<bool> {
        match self.lstat(rel) {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.errno(), Some(Errno::NOENT | Errno::NOTDIR)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sets the owner. The kernel clears setuid, setgid and file capabilities: set those after.
    pub fn chown(&self, rel: impl AsRef<Path>, uid: u32, gid: u32) -> Result<()> {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        self.at("change the owner of", rel.as_ref(), |parent, name| {
            chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
        })
    }

    /// Sets the permission bits. A symlink has none and is refused (EOPNOTSUPP).
    pub fn chmod(&self, rel: impl AsRef<Path>, mode: u32) -> Result<()> {
        self.at("change the mode of", rel.as_ref(), |parent, name| {
            // fchmodat2 with AT_SYMLINK_NOFOLLOW exists since 6.6 only; the descriptor pins the inode.
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = openat(parent, name, flags, Mode::empty())?;
            chmod_fd(fd.as_fd(), mode)
        })
    }

    /// Sets the permission bits of this directory.
    pub fn chmod_self(&self, mode: u32) -> Result<()> {
        chmod_fd(self.fd.as_fd(), mode)
            .map_err(|errno| self.error("change the mode of", Path::new(""), errno))
    }

    /// Sets the owner of this directory.
    pub fn chown_self(&self, uid: u32, gid: u32) -> Result<()> {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        chownat(&self.fd, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)
            .map_err(|errno| self.error("change the owner of", Path::new(""), errno))
    }

    /// Sets access and modification time.
    pub fn utimens(&self, rel: impl AsRef<Path>, times: &Timestamps) -> Result<()> {
        self.at("set the times of", rel.as_ref(), |parent, name| {
            utimensat(parent, name, times, AtFlags::SYMLINK_NOFOLLOW)
        })
    }

    /// Sets access and modification time of this directory.
    pub fn utimens_self(&self, times: &Timestamps) -> Result<()> {
        utimensat(CWD, proc_path(self.fd.as_fd(), None), times, AtFlags::empty())
            .map_err(|errno| self.error("set the times of", Path::new(""), errno))
    }

    /// Sets an extended attribute of the path itself.
    pub fn setxattr(&self, rel: impl AsRef<Path>, name: &OsStr, value: &[u8]) -> Result<()> {
        self.at("set an extended attribute of", rel.as_ref(), |parent, file| {
            lsetxattr(proc_path(parent, Some(file)), name, value, XattrFlags::empty())
        })
    }

    /// Sets an extended attribute of this directory.
    pub fn setxattr_self(&self, name: &OsStr, value: &[u8]) -> Result<()> {
        rustix::fs::setxattr(proc_path(self.fd.as_fd(), None), name, value, XattrFlags::empty())
            .map_err(|errno| self.error("set an extended attribute of", Path::new(""), errno))
    }

    /// Returns an extended attribute of the path itself, `None` where there is none.
    pub fn getxattr(&self, rel: impl AsRef<Path>, name: &OsStr) -> Result<Option<Vec<u8>>> {
        self.at("read an extended attribute of", rel.as_ref(), |parent, file| {
            let path = proc_path(parent, Some(file));
            match grown(|buffer| lgetxattr(&path, name, buffer)) {
                Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
                other => other.map(Some),
            }
        })
    }

    /// Returns the names of all extended attributes of the path itself.
    pub fn listxattr(&self, rel: impl AsRef<Path>) -> Result<Vec<Vec<u8>>> {
        self.at("list the extended attributes of", rel.as_ref(), |parent, file| {
            let path = proc_path(parent, Some(file));
            let names = match grown(|buffer| llistxattr(&path, buffer)) {
                Err(Errno::OPNOTSUPP) => Vec::new(),
                other => other?,
            };
            Ok(names.split(|b| *b == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect())
        })
    }

    /// Returns an extended attribute of this directory, `None` where there is none.
    pub fn getxattr_self(&self, name: &OsStr) -> Result<Option<Vec<u8>>> {
        let path = proc_path(self.fd.as_fd(), None);
        match grown(|buffer| rustix::fs::getxattr(&path, name, buffer)) {
            Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
            other => other
                .map(Some)
                .map_err(|errno| self.error("read an extended attribute of", Path::new(""), errno)),
        }
    }

    /// Returns the names of all extended attributes of this directory.
    pub fn listxattr_self(&self) -> Result<Vec<Vec<u8>>> {
        let path = proc_path(self.fd.as_fd(), None);
        let names = match grown(|buffer| rustix::fs::listxattr(&path, buffer)) {
            Err(Errno::OPNOTSUPP) => Vec::new(),
            other => {
                other.map_err(|errno| self.error("list the extended attributes of", Path::new(""), errno))?
            }
        };
        Ok(names.split(|b| *b == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect())
    }

    /// Removes an extended attribute of the path itself; a missing one is no error.
    pub fn removexattr(&self, rel: impl AsRef<Path>, name: &OsStr) -> Result<()> {
        self.at("remove an extended attribute of", rel.as_ref(), |parent, file| {
            match lremovexattr(proc_path(parent, Some(file)), name) {
                Err(Errno::NODATA) => Ok(()),
                other => other,
            }
        })
    }

    /// Makes the names in this directory durable (fsync).
    pub fn sync(&self) -> Result<()> {
        self.readable().and_then(fsync).map_err(|errno| self.error("sync directory", Path::new(""), errno))
    }

    /// Writes back everything of the file system that this directory lies on (syncfs).
    pub fn syncfs(&self) -> Result<()> {
        self.readable()
            .and_then(syncfs)
            .map_err(|errno| self.error("sync the file system of", Path::new(""), errno))
    }
}

/// Changes the mode of an inode by its descriptor, `O_PATH` too (fchmod refuses those).
fn chmod_fd(fd: BorrowedFd<'_>, mode: u32) -> Result<(), Errno> {
    chmodat(CWD, proc_path(fd, None), Mode::from_raw_mode(mode), AtFlags::empty())
}

/// Returns the names of all extended attributes of an open file.
pub fn list_attributes(file: impl AsFd) -> std::io::Result<Vec<Vec<u8>>> {
    let names = match grown(|buffer| flistxattr(&file, buffer)) {
        Err(Errno::OPNOTSUPP) => Vec::new(),
        other => other?,
    };
    Ok(names.split(|b| *b == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect())
}

/// Returns an extended attribute of an open file, `None` where there is none.
pub fn attribute(file: impl AsFd, name: &OsStr) -> std::io::Result<Option<Vec<u8>>> {
    match grown(|buffer| fgetxattr(&file, name, buffer)) {
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        other => Ok(Some(other?)),
    }
}

/// Calls with a growing buffer until the answer fits; 64 KiB is the kernel's limit (xattr(7)).
fn grown(mut call: impl FnMut(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; 256];
    loop {
        match call(&mut buffer) {
            Ok(len) => {
                buffer.truncate(len);
                return Ok(buffer);
            }
            Err(Errno::RANGE) if buffer.len() < 128 << 10 => {
                let len = buffer.len() * 4;
                buffer.resize(len, 0);
            }
            Err(errno) => return Err(errno),
        }
    }
}
