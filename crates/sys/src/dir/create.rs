//! Making things below a pinned directory: directories, files, links and device nodes.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path};

use rustix::fs::{
    AtFlags, Dev, FileType, Mode, OFlags, RenameFlags, fstat, linkat, mkdirat, mknodat, openat, readlinkat,
    renameat_with, symlinkat,
};
use rustix::io::Errno;

use super::{Dir, RACE_TRIES, relative};
use crate::Result;

/// The kernel's own limit on symlinks in one path (path_resolution(7)).
const SYMLINKS_MAX: usize = 40;

impl Dir {
    /// Creates one directory; the umask applies.
    pub fn mkdir(&self, rel: impl AsRef<Path>, mode: u32) -> Result<()> {
        self.at("create directory", rel.as_ref(), |parent, name| {
            mkdirat(parent, name, Mode::from_raw_mode(mode))
        })
    }

    /// Creates a directory and its missing parents and returns it; one that exists is taken as it is.
    ///
    /// Symlinks on the way are followed inside the root as a process in the container would, dangling
    /// ones too. Nothing is ever made outside, even while somebody swaps components: each step works on
    /// the descriptor of the step before (CVE-2024-45310).
    pub fn mkdir_all(&self, rel: impl AsRef<Path>, mode: u32) -> Result<Self> {
        let rel = rel.as_ref();
        let fd = match self.open_raw(rel, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()) {
            Err(Errno::NOENT) => self.walk_creating(rel, Mode::from_raw_mode(mode)),
            other => other,
        };
        fd.map(|fd| self.child(fd, rel)).map_err(|errno| self.error("create directory", rel, errno))
    }

    /// Creates a new file for writing and its missing parents (0755); an existing name of whatever kind is an error.
    pub fn create_file(&self, rel: impl AsRef<Path>, mode: u32) -> Result<OwnedFd> {
        let rel = rel.as_ref();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode);
        let opened = self.parent(rel).and_then(|(parent, name)| openat(parent.as_fd(), name, flags, mode));
        match (opened, relative(rel).parent()) {
            (Err(Errno::NOENT), Some(parent)) => {
                let dir = self.mkdir_all(parent, 0o755)?;
                dir.at("create", Path::new(rel.file_name().unwrap_or_default()), |dir, name| {
                    openat(dir, name, flags, mode)
                })
            }
            (opened, _) => opened.map_err(|errno| self.error("create", rel, errno)),
        }
    }

    /// Replaces what is in a file that exists, and leaves the file itself: whoever has it open or mounted sees the new
    /// text. A symlink in its place is not followed.
    pub fn overwrite(&self, rel: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.at("write", rel.as_ref(), |parent, name| {
            let fd = openat(parent, name, flags, Mode::empty())?;
            let mut rest = bytes;
            while !rest.is_empty() {
                let count = rustix::io::retry_on_intr(|| rustix::io::write(&fd, rest))?;
                rest = &rest[count..];
            }
            Ok(())
        })
    }

    /// Creates a device node, FIFO, socket or empty file; the umask applies.
    pub fn mknod(&self, rel: impl AsRef<Path>, kind: FileType, mode: u32, dev: Dev) -> Result<()> {
        self.at("create node", rel.as_ref(), |parent, name| {
            mknodat(parent, name, kind, Mode::from_raw_mode(mode), dev)
        })
    }

    /// Creates a symlink with the given text, which is not looked at.
    pub fn symlink(&self, target: impl AsRef<Path>, rel: impl AsRef<Path>) -> Result<()> {
        self.at("create symlink", rel.as_ref(), |parent, name| symlinkat(target.as_ref(), parent, name))
    }

    /// Gives a file a second name; a symlink is linked itself, not what it points to.
    pub fn hardlink(&self, existing: impl AsRef<Path>, rel: impl AsRef<Path>) -> Result<()> {
        let existing = existing.as_ref();
        let (old_parent, old_name) =
            self.parent(existing).map_err(|errno| self.error("link to", existing, errno))?;
        self.at("create hard link", rel.as_ref(), |parent, name| {
            linkat(old_parent.as_fd(), old_name, parent, name, AtFlags::empty())
        })
    }

    /// Renames within the directory; `flags` as in renameat2(2).
    pub fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>, flags: RenameFlags) -> Result<()> {
        let from = from.as_ref();
        let (old_parent, old_name) = self.parent(from).map_err(|errno| self.error("rename", from, errno))?;
        self.at("rename to", to.as_ref(), |parent, name| {
            renameat_with(old_parent.as_fd(), old_name, parent, name, flags)
        })
    }

    /// Walks a path one component at a time, creating what is missing.
    ///
    /// `stack` holds the directories from the root to where we stand, so that `..` is a pop and not a
    /// question to the file system: it cannot leave the root however the tree is moved meanwhile.
    fn walk_creating(&self, rel: &Path, mode: Mode) -> Result<OwnedFd, Errno> {
        let follow = !self.resolve.contains(rustix::fs::ResolveFlags::NO_SYMLINKS);
        let mut stack = vec![self.fd.try_clone().map_err(|_| Errno::MFILE)?];
        let mut pending = components(rel);
        let mut symlinks = 0;
        while let Some(step) = pending.pop_front() {
            match step {
                Step::Up if !follow => return Err(Errno::XDEV),
                Step::Up => stack.truncate((stack.len() - 1).max(1)),
                Step::Root => stack.truncate(1),
                Step::Name(name) => {
                    let here = stack.last().expect("the root is never popped");
                    match open_or_create(here, &name, mode)? {
                        Found::Directory(fd) => stack.push(fd),
                        Found::Symlink(_) if !follow => return Err(Errno::LOOP),
                        Found::Symlink(target) => {
                            symlinks += 1;
                            if symlinks > SYMLINKS_MAX {
                                return Err(Errno::LOOP);
                            }
                            let target = OsString::from_vec(target);
                            let mut ahead = components(Path::new(&target));
                            if Path::new(&target).has_root() {
                                ahead.push_front(Step::Root);
                            }
                            ahead.append(&mut pending);
                            pending = ahead;
                        }
                    }
                }
            }
        }
        Ok(stack.pop().expect("the root is never popped"))
    }
}

fn make_directory(parent: &OwnedFd, name: &OsStr, mode: Mode) -> Result<(), Errno> {
    crate::failpoint::step();
    mkdirat(parent, name, mode)
}

/// One step of a path.
enum Step {
    Root,
    Up,
    Name(OsString),
}

fn components(path: &Path) -> VecDeque<Step> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(Step::Name(name.to_owned())),
            Component::ParentDir => Some(Step::Up),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

/// What was found, or made, under a name.
enum Found {
    Directory(OwnedFd),
    Symlink(Vec<u8>),
}

/// Opens one name without following it, makes it a directory where it is missing.
fn open_or_create(parent: &OwnedFd, name: &OsStr, mode: Mode) -> Result<Found, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for _ in 0..RACE_TRIES {
        let fd = match openat(parent, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => match make_directory(parent, name, mode) {
                Ok(()) | Err(Errno::EXIST) => continue,
                Err(errno) => return Err(errno),
            },
            Err(errno) => return Err(errno),
        };
        return match FileType::from_raw_mode(fstat(&fd)?.st_mode) {
            FileType::Directory => Ok(Found::Directory(fd)),
            FileType::Symlink => Ok(Found::Symlink(readlinkat(&fd, "", Vec::new())?.into_bytes())),
            _ => Err(Errno::NOTDIR),
        };
    }
    Err(Errno::AGAIN)
}
