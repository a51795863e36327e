//! Makes the entries of a layer below a pinned directory, in the form overlayfs stacks.
//!
//! Whiteouts become character devices 0:0, opaque directories bear `trusted.overlay.opaque=y`. The
//! tree may hold symlinks to anywhere: every path is resolved inside the layer's own root
//! (CVE-2014-6407, CVE-2021-32760, CVE-2025-47290).

pub(super) mod path;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use oci::digest::DiffId;
use rustix::fs::{
    FileType, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags, fchmod, fchown, fsetxattr, futimens,
};
use rustix::io::Errno;
use sys::{Context, Dir};

use super::Applied;
use crate::tar::{Entry, Kind, Sparse, TarReader, Time};
use crate::{Error, Result};
use path::{Clean, clean};

const OPAQUE: &str = "trusted.overlay.opaque";
/// The kernel's limit on the inodes of one layer is far above; what it costs to remember directories is not.
const ENTRIES_MAX: u64 = 10_000_000;

/// Extracts entries one after the other.
#[derive(Debug)]
pub(super) struct Extractor<'r> {
    root: &'r Dir,
    /// The directory of the entry before: neighbours in an archive mostly share it.
    parent: Option<(Vec<u8>, Dir)>,
    /// Times of directories, set when nothing is added to them any more.
    directories: Vec<(Vec<u8>, Timestamps)>,
    owner: (u32, u32),
    applied: Applied,
}

impl<'r> Extractor<'r> {
    pub(super) fn new(root: &'r Dir) -> Result<Self> {
        let owner = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let diff_id = DiffId::new(oci::digest::Digest::from_bytes([0; 32]));
        let applied = Applied { diff_id, size: 0, entries: 0, uid_max: 0, gid_max: 0, opaque: false };
        // Docker's default for a layer that does not mention its root.
        root.chmod_self(0o755)?;
        Ok(Self { root, parent: None, directories: Vec::new(), owner, applied })
    }

    pub(super) fn applied(self, diff_id: DiffId) -> Applied {
        Applied { diff_id, ..self.applied }
    }

    /// Makes one entry.
    pub(super) fn extract<R: BufRead>(&mut self, entry: &Entry, reader: &mut TarReader<R>) -> Result<()> {
        self.applied.entries += 1;
        if self.applied.entries > ENTRIES_MAX {
            return Err(fault(&entry.path, "the layer has more than ten million entries"));
        }
        match clean(&entry.path).map_err(|reason| fault(&entry.path, reason))? {
            Clean::Root if entry.kind == Kind::Directory => self.root_directory(entry),
            Clean::Root => Err(fault(&entry.path, "the root of a layer must be a directory")),
            Clean::Below { parent, name } => {
                let dir = self.take_parent(&parent).map_err(|source| extract_error(entry, source))?;
                let outcome = self.below(entry, reader, &parent, &dir, &name);
                // Removing a directory or symlink may have changed where the parent's path leads.
                if outcome? == Removed::Nothing {
                    self.parent = Some((parent, dir));
                }
                Ok(())
            }
        }
    }

    /// Sets the times of all directories.
    pub(super) fn finish(&mut self) -> Result<()> {
        // The cached parent may be one of them.
        self.parent = None;
        for (path, times) in self.directories.drain(..).rev() {
            let path = Path::new(OsStr::from_bytes(&path));
            if path.as_os_str().is_empty() {
                self.root.utimens_self(&times)?;
                continue;
            }
            match self.root.lstat(path) {
                Ok(stat) if FileType::from_raw_mode(stat.st_mode).is_dir() => {
                    self.root.utimens(path, &times)?
                }
                // A later entry took its place.
                Ok(_) => {}
                Err(error) if matches!(error.errno(), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn below<R: BufRead>(
        &mut self,
        entry: &Entry,
        reader: &mut TarReader<R>,
        parent: &[u8],
        dir: &Dir,
        name: &[u8],
    ) -> Result<Removed> {
        if let Some(hidden) = name.strip_prefix(b".wh.") {
            self.whiteout(entry, parent, dir, hidden)?;
            return Ok(Removed::Nothing);
        }
        self.applied.uid_max = self.applied.uid_max.max(entry.uid);
        self.applied.gid_max = self.applied.gid_max.max(entry.gid);
        let file = Path::new(OsStr::from_bytes(name));
        match &entry.kind {
            Kind::File { sparse, .. } => self.file(entry, reader, dir, file, sparse.as_ref()),
            Kind::Hardlink(target) => self.hardlink(entry, parent, dir, file, target),
            _ => {
                let removed = self.other(entry, dir, file).map_err(|source| extract_error(entry, source))?;
                if entry.kind == Kind::Directory {
                    self.directories.push((join(parent, name), times(entry)));
                }
                Ok(removed)
            }
        }
    }

    fn root_directory(&mut self, entry: &Entry) -> Result<()> {
        let set = || {
            self.root.chown_self(entry.uid, entry.gid)?;
            self.root.chmod_self(entry.mode)?;
            kept_xattrs(entry).try_for_each(|(name, value)| self.root.setxattr_self(name, value))
        };
        set().map_err(|source| extract_error(entry, source))?;
        self.applied.uid_max = self.applied.uid_max.max(entry.uid);
        self.applied.gid_max = self.applied.gid_max.max(entry.gid);
        self.directories.push((Vec::new(), times(entry)));
        Ok(())
    }

    /// Hides something of the layers below. What this layer itself holds stays (OCI image spec,
    /// "Whiteouts"): a directory of ours is made opaque instead.
    fn whiteout(&mut self, entry: &Entry, parent: &[u8], dir: &Dir, hidden: &[u8]) -> Result<()> {
        let hide = || -> sys::Result<()> {
            if hidden == b".wh..opq" {
                return dir.setxattr_self(OsStr::new(OPAQUE), b"y");
            }
            let name = Path::new(OsStr::from_bytes(hidden));
            match dir.lstat(name) {
                Ok(stat) if FileType::from_raw_mode(stat.st_mode).is_dir() => {
                    dir.setxattr(name, OsStr::new(OPAQUE), b"y")
                }
                Ok(_) => Ok(()),
                Err(error) if error.is_not_found() => dir.mknod(name, FileType::CharacterDevice, 0, 0),
                Err(error) => Err(error),
            }
        };
        match hidden {
            b"" | b"." | b".." => return Err(fault(&entry.path, "a whiteout must name something")),
            // AUFS's own book-keeping (`.wh..wh.plnk`, `.wh..wh.aufs`) hides nothing.
            _ if hidden.starts_with(b".wh.") && hidden != b".wh..opq" => return Ok(()),
            _ => {}
        }
        hide().map_err(|source| node_error(entry, source))?;
        // Overlayfs does not look at the attribute on a layer's root: the stack is cut there instead.
        self.applied.opaque |= hidden == b".wh..opq" && parent.is_empty();
        Ok(())
    }

    fn file<R: BufRead>(
        &mut self,
        entry: &Entry,
        reader: &mut TarReader<R>,
        dir: &Dir,
        name: &Path,
        sparse: Option<&Sparse>,
    ) -> Result<Removed> {
        let mut removed = Removed::Nothing;
        let created = match dir.create_file(name, 0o600) {
            Err(error) if error.errno() == Some(Errno::EXIST) => clear(dir, name).and_then(|gone| {
                removed = gone;
                dir.create_file(name, 0o600)
            }),
            other => other,
        };
        let fd = created.map_err(|source| extract_error(entry, source))?;
        let mut file = File::from(fd);
        self.applied.size += write_data(entry, reader, &mut file, sparse)?;
        self.file_attributes(entry, &file.into()).map_err(|source| extract_error(entry, source))?;
        Ok(removed)
    }

    fn file_attributes(&self, entry: &Entry, file: &OwnedFd) -> sys::Result<()> {
        if (entry.uid, entry.gid) != self.owner {
            return file_attributes(entry, file);
        }
        file_mode(entry, file)
    }

    /// Gives a file of this layer a second name.
    ///
    /// A target in a lower layer is refused, as Docker's overlay driver does: images are built on
    /// overlayfs, where linking to a lower file copies it up, so that both names are in the layer.
    fn hardlink(
        &self,
        entry: &Entry,
        parent: &[u8],
        dir: &Dir,
        name: &Path,
        target: &[u8],
    ) -> Result<Removed> {
        let not_here = || fault(&entry.path, "hard link to a file that is not in this layer");
        let Clean::Below { parent: target_parent, name: target_name } =
            clean(target).map_err(|reason| fault(&entry.path, reason))?
        else {
            return Err(fault(&entry.path, "a hard link cannot lead to a directory"));
        };
        let target = join(&target_parent, &target_name);
        let target = Path::new(OsStr::from_bytes(&target));
        let existing = match self.root.lstat(target) {
            Ok(stat) if is_whiteout(&stat) => return Err(not_here()),
            Ok(stat) if FileType::from_raw_mode(stat.st_mode).is_dir() => {
                return Err(fault(&entry.path, "a hard link cannot lead to a directory"));
            }
            Ok(stat) => stat,
            Err(error) if matches!(error.errno(), Some(Errno::NOENT | Errno::NOTDIR)) => {
                return Err(not_here());
            }
            Err(error) => return Err(extract_error(entry, error)),
        };
        let link = || {
            let mut removed = Removed::Nothing;
            match dir.lstat(name) {
                Ok(stat) if (stat.st_dev, stat.st_ino) == (existing.st_dev, existing.st_ino) => {
                    return Ok(removed);
                }
                Ok(_) => removed = clear(dir, name)?,
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
            let path = join(parent, name.as_os_str().as_bytes());
            self.root.hardlink(target, OsStr::from_bytes(&path)).map(|()| removed)
        };
        link().map_err(|source| extract_error(entry, source))
    }

    /// Makes a directory, symlink, FIFO or device node with its attributes.
    fn other(&self, entry: &Entry, dir: &Dir, name: &Path) -> sys::Result<Removed> {
        let mut removed = Removed::Nothing;
        let make = |dir: &Dir| match &entry.kind {
            Kind::Directory => dir.mkdir(name, 0o700),
            Kind::Symlink(target) => dir.symlink(OsStr::from_bytes(target), name),
            Kind::Fifo => dir.mknod(name, FileType::Fifo, 0o600, 0),
            Kind::Character { major, minor } => {
                dir.mknod(name, FileType::CharacterDevice, 0o600, rustix::fs::makedev(*major, *minor))
            }
            Kind::Block { major, minor } => {
                dir.mknod(name, FileType::BlockDevice, 0o600, rustix::fs::makedev(*major, *minor))
            }
            Kind::File { .. } | Kind::Hardlink(_) => unreachable!("made elsewhere"),
        };
        match make(dir) {
            Err(error) if error.errno() == Some(Errno::EXIST) => {
                let stat = dir.lstat(name)?;
                let is_dir = FileType::from_raw_mode(stat.st_mode).is_dir();
                if !(is_dir && entry.kind == Kind::Directory) {
                    removed = clear(dir, name)?;
                    make(dir)?;
                    if entry.kind == Kind::Directory && is_whiteout(&stat) {
                        dir.setxattr(name, OsStr::new(OPAQUE), b"y")?;
                    }
                }
            }
            other => other?,
        }
        dir.chown(name, entry.uid, entry.gid)?;
        if !matches!(entry.kind, Kind::Symlink(_)) {
            dir.chmod(name, entry.mode)?;
        }
        kept_xattrs(entry).try_for_each(|(attribute, value)| dir.setxattr(name, attribute, value))?;
        if entry.kind != Kind::Directory {
            dir.utimens(name, &times(entry))?;
        }
        Ok(removed)
    }

    /// Returns the directory an entry lies in, made where the archive does not mention it.
    fn take_parent(&mut self, path: &[u8]) -> sys::Result<Dir> {
        match self.parent.take() {
            Some((cached, dir)) if cached == path => return Ok(dir),
            _ => {}
        }
        let parent = Path::new(OsStr::from_bytes(path));
        match self.root.open_dir(parent) {
            Err(error) if matches!(error.errno(), Some(Errno::NOENT | Errno::NOTDIR)) => {
                self.make_parents(parent)?;
                self.root.mkdir_all(parent, 0o755)
            }
            other => other,
        }
    }

    /// Makes missing directories with mode 0755 whatever the umask; one that was only hidden so far
    /// becomes an opaque directory.
    fn make_parents(&self, path: &Path) -> sys::Result<()> {
        let mut prefixes: Vec<&Path> =
            path.ancestors().filter(|prefix| !prefix.as_os_str().is_empty()).collect();
        prefixes.reverse();
        for prefix in prefixes {
            let hidden = match self.root.lstat(prefix) {
                Ok(stat) if is_whiteout(&stat) => {
                    self.root.unlink(prefix)?;
                    true
                }
                Ok(_) => continue,
                Err(error) if error.is_not_found() => false,
                // Below a dangling symlink: mkdir_all makes the target.
                Err(_) => return Ok(()),
            };
            match self.root.mkdir(prefix, 0o755) {
                Err(error) if error.is_not_found() => return Ok(()),
                other => other?,
            }
            self.root.chmod(prefix, 0o755)?;
            if hidden {
                self.root.setxattr(prefix, OsStr::new(OPAQUE), b"y")?;
            }
        }
        Ok(())
    }
}

/// Whether something was removed that a path could lead through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Removed {
    Nothing,
    Way,
}

/// Removes what stands in the way of an entry.
fn clear(dir: &Dir, name: &Path) -> sys::Result<Removed> {
    let kind = FileType::from_raw_mode(dir.lstat(name)?.st_mode);
    dir.remove_tree(name)?;
    Ok(if matches!(kind, FileType::Directory | FileType::Symlink) { Removed::Way } else { Removed::Nothing })
}

/// Sets owner, mode, attributes and times in the order in which the kernel does not undo them:
/// chown clears setuid and file capabilities.
pub(super) fn file_attributes(entry: &Entry, file: &OwnedFd) -> sys::Result<()> {
    fchown(file, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)))
        .context(|| "cannot set the owner".to_owned())?;
    file_mode(entry, file)
}

fn file_mode(entry: &Entry, file: &OwnedFd) -> sys::Result<()> {
    let set = || {
        fchmod(file, Mode::from_raw_mode(entry.mode))?;
        for (name, value) in kept_xattrs(entry) {
            fsetxattr(file, name, value, XattrFlags::empty())?;
        }
        futimens(file, &times(entry))
    };
    set().context(|| "cannot set mode, extended attributes or times".to_owned())
}

pub(super) fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    if parent.is_empty() { name.to_vec() } else { [parent, name].join(&b'/') }
}

fn is_whiteout(stat: &rustix::fs::Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// Writes the data of a file and returns its size.
pub(super) fn write_data<R: BufRead>(
    entry: &Entry,
    reader: &mut TarReader<R>,
    file: &mut File,
    sparse: Option<&Sparse>,
) -> Result<u64> {
    let failed =
        |source| Error::Write { what: format!("`{}`", String::from_utf8_lossy(&entry.path)), source };
    let Some(sparse) = sparse else {
        let mut size = 0;
        reader.data(|piece| {
            size += piece.len() as u64;
            file.write_all(piece).map_err(failed)
        })?;
        return Ok(size);
    };
    let mut segments = sparse.segments.iter();
    let mut left = 0;
    reader.data(|mut piece| {
        while !piece.is_empty() {
            if left == 0 {
                let (offset, len) = segments.next().expect("the map was checked against the data");
                file.seek(SeekFrom::Start(*offset)).map_err(failed)?;
                left = *len;
            }
            let len = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            file.write_all(&piece[..len]).map_err(failed)?;
            left -= len as u64;
            piece = &piece[len..];
        }
        Ok::<(), Error>(())
    })?;
    file.set_len(sparse.size).map_err(failed)?;
    Ok(sparse.size)
}

/// The extended attributes that a layer may set. Overlay's own would let it forge whiteouts and
/// redirects into other layers; the labels of security modules are this machine's affair.
pub(super) fn kept_xattrs(entry: &Entry) -> impl Iterator<Item = (&OsStr, &[u8])> {
    let kept = entry.xattrs.iter().filter(|(name, _)| is_kept(name));
    kept.map(|(name, value)| (OsStr::from_bytes(name), &**value))
}

/// Whether a layer may have an extended attribute of this name.
pub(super) fn is_kept(name: &[u8]) -> bool {
    let overlay = name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.");
    let label = name.starts_with(b"security.") && name != b"security.capability";
    !overlay && !label && !name.contains(&0) && !name.is_empty()
}

pub(super) fn times(entry: &Entry) -> Timestamps {
    let spec = |time: Time| Timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds.into() };
    Timestamps { last_access: spec(entry.atime.unwrap_or(entry.mtime)), last_modification: spec(entry.mtime) }
}

pub(super) fn fault(path: &[u8], reason: &'static str) -> Error {
    Error::Entry { path: String::from_utf8_lossy(path).into_owned(), reason }
}

pub(super) fn extract_error(entry: &Entry, source: sys::Error) -> Error {
    match entry.kind {
        Kind::Character { .. } | Kind::Block { .. } => node_error(entry, source),
        _ => Error::Extract { path: String::from_utf8_lossy(&entry.path).into_owned(), source },
    }
}

fn node_error(entry: &Entry, source: sys::Error) -> Error {
    let path = String::from_utf8_lossy(&entry.path).into_owned();
    match source.errno() {
        Some(Errno::PERM) => Error::Device { path, source },
        _ => Error::Extract { path, source },
    }
}
