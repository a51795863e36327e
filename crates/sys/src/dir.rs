//! Path operations below one directory that is pinned by descriptor: what a container or an image
//! has put there can never lead outside.
//!
//! The largest class of container escapes is a path string resolved on the host against a tree that
//! the container owns (CVE-2018-15664, CVE-2021-30465, CVE-2024-45310, CVE-2026-41579 …). Here every
//! path is resolved by `openat2(2)` with `RESOLVE_IN_ROOT`: symlinks, absolute ones and `..` too,
//! mean what they mean to a process that is chrooted into the directory. Magic links
//! (`/proc/PID/root`) are refused. [`Dir::strict`] gives a handle that follows no symlink at all.
//!
//! An operation on a name (create, remove, rename, set owner …) resolves the parent this way and then
//! acts on the last component without following it.
//!
//! ```no_run
//! # fn main() -> sys::Result<()> {
//! let root = sys::Dir::open("/var/lib/coracle/layers/0123/fs")?;
//! root.mkdir_all("/etc/ssl", 0o755)?;
//! let passwd = root.read_regular("/etc/passwd", 1 << 20)?;
//! # let _ = passwd; Ok(()) }
//! ```

mod copy;
mod create;
mod disk;
mod meta;
mod read;
mod remove;

#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

pub use copy::{copy_attributes_of_root, copy_tree};
pub use meta::{attribute, list_attributes};
pub use read::Entry;

use crate::{Context, Error, Result};

/// `openat2` answers EAGAIN when a rename anywhere on the system raced with a `..` of the path and
/// the result could not be proven to lie inside; trying again is the documented remedy.
const RACE_TRIES: usize = 256;

/// A directory held by descriptor; every path is resolved below it.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    /// Where it was found, for messages alone: never resolved again.
    label: PathBuf,
    resolve: ResolveFlags,
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<Dir> for OwnedFd {
    fn from(dir: Dir) -> Self {
        dir.fd
    }
}

impl Dir {
    /// Opens a directory of the host; the path itself is trusted and resolved as usual.
    pub fn open(host_path: impl AsRef<Path>) -> Result<Self> {
        let path = host_path.as_ref();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, path, flags, Mode::empty()).on_path("open directory", path)?;
        Ok(Self::from_fd(fd, path))
    }

    /// Takes a descriptor of a directory; `label` is what errors call it.
    pub fn from_fd(fd: OwnedFd, label: impl Into<PathBuf>) -> Self {
        Self { fd, label: label.into(), resolve: ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS }
    }

    /// Turns the handle into one that follows no symlink: paths are walked as they are written and
    /// one that leaves the directory is an error.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        self
    }

    /// Returns a second handle to the same directory.
    pub fn try_clone(&self) -> Result<Self> {
        let fd = self.fd.try_clone().on_path("duplicate the descriptor of", &self.label)?;
        Ok(Self { fd, label: self.label.clone(), resolve: self.resolve })
    }

    /// Where the directory was found, for messages.
    pub fn label(&self) -> &Path {
        &self.label
    }

    /// Opens whatever lies at the path as `O_PATH`, following symlinks inside the root.
    pub fn open_path(&self, rel: impl AsRef<Path>) -> Result<OwnedFd> {
        self.open_raw(rel.as_ref(), OFlags::PATH, Mode::empty())
            .map_err(|e| self.error("open", rel.as_ref(), e))
    }

    /// Opens whatever lies at the path as `O_PATH`; a final symlink is opened itself.
    pub fn open_path_nofollow(&self, rel: impl AsRef<Path>) -> Result<OwnedFd> {
        self.open_raw(rel.as_ref(), OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())
            .map_err(|e| self.error("open", rel.as_ref(), e))
    }

    /// Opens a directory below this one; the new handle is a root of its own.
    pub fn open_dir(&self, rel: impl AsRef<Path>) -> Result<Self> {
        let rel = rel.as_ref();
        let fd = self
            .open_raw(rel, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())
            .map_err(|e| self.error("open directory", rel, e))?;
        Ok(self.child(fd, rel))
    }

    /// Opens a file with the given flags.
    ///
    /// Without `O_NONBLOCK` this can hang on a FIFO and opening a device may act on it: to read a file
    /// whose type is not known use [`Dir::read_regular`].
    pub fn open_file(&self, rel: impl AsRef<Path>, flags: OFlags, mode: u32) -> Result<OwnedFd> {
        let rel = rel.as_ref();
        self.open_raw(rel, flags | OFlags::NOCTTY, Mode::from_raw_mode(mode))
            .map_err(|e| self.error("open", rel, e))
    }

    /// The one place where a path of more than one component meets the kernel.
    fn open_raw(&self, rel: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let path = relative(rel);
        for _ in 0..RACE_TRIES {
            match openat2(&self.fd, path, flags | OFlags::CLOEXEC, mode, self.resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other,
            }
        }
        Err(Errno::AGAIN)
    }

    /// Resolves the parent of a path and returns it with the last component, which must be a name.
    fn parent<'p>(&self, rel: &'p Path) -> Result<(Parent<'_>, &'p OsStr), Errno> {
        let path = relative(rel);
        let Some(Component::Normal(name)) = path.components().next_back() else {
            return Err(Errno::INVAL);
        };
        // `a/..` and `a/.` end in Normal after normalisation by `components`; `a/.` means `a` for a
        // directory and is harmless, a trailing `..` is not Normal and was refused above.
        let parent = path.parent().unwrap_or(Path::new(""));
        if parent.as_os_str().is_empty() {
            return Ok((Parent::Root(self.fd.as_fd()), name));
        }
        let fd = self.open_raw(parent, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        Ok((Parent::Below(fd), name))
    }

    /// Runs `act` on the parent and the last component and names the path in an error.
    fn at<T>(
        &self,
        verb: &str,
        rel: &Path,
        act: impl FnOnce(BorrowedFd<'_>, &OsStr) -> Result<T, Errno>,
    ) -> Result<T> {
        self.parent(rel)
            .and_then(|(parent, name)| {
                crate::failpoint::step();
                act(parent.as_fd(), name)
            })
            .map_err(|errno| self.error(verb, rel, errno))
    }

    fn child(&self, fd: OwnedFd, rel: &Path) -> Self {
        Self { fd, label: self.label.join(relative(rel)), resolve: self.resolve }
    }

    fn error(&self, verb: &str, rel: &Path, errno: Errno) -> Error {
        let path = self.label.join(relative(rel));
        Error::new(format!("cannot {verb} `{}`", path.display()), errno)
    }
}

/// The directory that a name lies in.
enum Parent<'d> {
    Root(BorrowedFd<'d>),
    Below(OwnedFd),
}

impl AsFd for Parent<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Root(fd) => *fd,
            Self::Below(fd) => fd.as_fd(),
        }
    }
}

/// Takes a leading `/` away: an absolute path means the root of the handle. The empty path is the
/// root itself.
fn relative(path: &Path) -> &Path {
    let path = path.strip_prefix("/").unwrap_or(path);
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// The path of an open descriptor, for calls that exist by path only. The magic link is followed by
/// the kernel to the very inode, whatever has happened to its name meanwhile (proc(5)).
fn proc_path(fd: BorrowedFd<'_>, name: Option<&OsStr>) -> PathBuf {
    use std::os::fd::AsRawFd;
    let mut path = OsString::from(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    if let Some(name) = name {
        path.push("/");
        path.push(name);
    }
    PathBuf::from(path)
}
