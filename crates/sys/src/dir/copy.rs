//! Copying a whole tree from one pinned directory into another: the files as they are, never what links point to.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, SeekFrom, Stat, Timestamps, copy_file_range, ftruncate, ioctl_ficlone, seek};
use rustix::io::Errno;
use rustix::time::Timespec;

use super::Dir;
use crate::{Context, Result};

/// Attributes that are overlayfs's own book-keeping and mean nothing elsewhere.
const PRIVATE_ATTRIBUTES: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];

/// Copies all that lies in one directory into another, which should be empty: kinds, modes, owners, times, extended
/// attributes, hard links within the tree and holes stay as they are. The two directories themselves are left
/// alone: see [`copy_attributes_of_root`].
///
/// No symlink is followed on either side, so that whoever swaps names meanwhile gains nothing; a name that vanishes
/// is an error. One directory is open at a time on each side; a tree deeper than `PATH_MAX` is refused by the
/// kernel. Devices, FIFOs and sockets are made anew, as Docker does.
pub fn copy_tree(from: &Dir, to: &Dir) -> Result<()> {
    let (from, to) = (from.try_clone()?.strict(), to.try_clone()?.strict());
    let mut copy = Copy { linked: HashMap::new(), directories: Vec::new() };
    let mut pending = vec![PathBuf::new()];
    while let Some(path) = pending.pop() {
        let (source, target) = (from.open_dir(&path)?, to.open_dir(&path)?);
        for entry in source.list("")? {
            let (name, below) = (Path::new(&entry.name), path.join(&entry.name));
            let stat = source.lstat(name)?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => {
                    target.mkdir(name, 0o700)?;
                    copy.directories.push((below.clone(), stat));
                    pending.push(below);
                }
                kind => copy.file(&source, &to, &target, (name, &below), kind, &stat)?,
            }
        }
    }
    // Inner ones first and after all is in them: each new name changes the times of its directory.
    for (path, stat) in copy.directories.iter().rev() {
        let name = Path::new(path.file_name().unwrap_or_default());
        let parent = path.parent().unwrap_or(Path::new(""));
        attributes(&from.open_dir(parent)?, &to.open_dir(parent)?, name, stat)?;
    }
    Ok(())
}

/// Gives a directory owner, mode, extended attributes and times of another one.
pub fn copy_attributes_of_root(from: &Dir, to: &Dir) -> Result<()> {
    let stat = from.stat_self()?;
    to.chown_self(stat.st_uid, stat.st_gid)?;
    to.chmod_self(stat.st_mode & 0o7777)?;
    for name in wanted(from.listxattr_self()?) {
        if let Some(value) = from.getxattr_self(&name)? {
            where_possible(to.setxattr_self(&name, &value))?;
        }
    }
    to.utimens_self(&times(&stat))
}

struct Copy {
    /// Where the first name of a file with several was made.
    linked: HashMap<(u64, u64), PathBuf>,
    directories: Vec<(PathBuf, Stat)>,
}

impl Copy {
    fn file(
        &mut self,
        source: &Dir,
        root: &Dir,
        target: &Dir,
        (name, path): (&Path, &Path),
        kind: FileType,
        stat: &Stat,
    ) -> Result<()> {
        if stat.st_nlink > 1 {
            let first = self.linked.entry((stat.st_dev, stat.st_ino)).or_insert_with(|| path.to_owned());
            if first != path {
                return root.hardlink(&*first, path);
            }
        }
        match kind {
            FileType::RegularFile => {
                let from = source.open_regular(name)?;
                let to = File::from(target.create_file(name, 0o600)?);
                copy_bytes(&from, &to, stat).on_path("copy", &source.label().join(name))?;
            }
            FileType::Symlink => target.symlink(source.read_link(name)?, name)?,
            kind => target.mknod(name, kind, 0o600, stat.st_rdev)?,
        }
        attributes(source, target, name, stat)
    }
}

/// Owner before mode and attributes: its change takes set-id bits and file capabilities away.
fn attributes(from: &Dir, to: &Dir, name: &Path, stat: &Stat) -> Result<()> {
    to.chown(name, stat.st_uid, stat.st_gid)?;
    if !FileType::from_raw_mode(stat.st_mode).is_symlink() {
        to.chmod(name, stat.st_mode & 0o7777)?;
    }
    for attribute in wanted(from.listxattr(name)?) {
        if let Some(value) = from.getxattr(name, &attribute)? {
            where_possible(to.setxattr(name, &attribute, &value))?;
        }
    }
    to.utimens(name, &times(stat))
}

/// A file system without extended attributes, or of this kind, goes without.
fn where_possible(outcome: Result<()>) -> Result<()> {
    match outcome {
        Err(error) if error.errno() == Some(Errno::OPNOTSUPP) => Ok(()),
        other => other,
    }
}

fn wanted(names: Vec<Vec<u8>>) -> impl Iterator<Item = std::ffi::OsString> {
    use std::os::unix::ffi::OsStringExt;
    let private = |name: &Vec<u8>| PRIVATE_ATTRIBUTES.iter().any(|prefix| name.starts_with(prefix));
    names.into_iter().filter(move |name| !private(name)).map(std::ffi::OsString::from_vec)
}

fn times(stat: &Stat) -> Timestamps {
    let time = |seconds, nanoseconds: u64| Timespec { tv_sec: seconds, tv_nsec: nanoseconds.cast_signed() };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}

/// Shares the blocks where the file system can, copies inside the kernel where it can, and keeps holes.
fn copy_bytes(from: &File, to: &File, stat: &Stat) -> io::Result<()> {
    if ioctl_ficlone(to, from).is_ok() {
        return Ok(());
    }
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    let has_holes = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512) < size;
    if !has_holes {
        return copy_range(from, to);
    }
    ftruncate(to, size)?;
    let mut at = 0;
    while at < size {
        let data = match seek(from, SeekFrom::Data(at)) {
            Ok(data) => data,
            // Nothing but a hole up to the end.
            Err(Errno::NXIO) => break,
            Err(errno) => return Err(errno.into()),
        };
        let end = seek(from, SeekFrom::Hole(data))?;
        copy_part(from, to, data, end.saturating_sub(data))?;
        at = end;
    }
    Ok(())
}

/// Copies up to the end: a file may have grown since it was looked at.
fn copy_range(from: &File, to: &File) -> io::Result<()> {
    loop {
        match copy_file_range(from, None, to, None, 1 << 30) {
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            // Between file systems, or one that cannot: by reading and writing, from where we are.
            Err(_) => return io::copy(&mut &*from, &mut &*to).map(|_| ()),
        }
    }
}

fn copy_part(from: &File, to: &File, at: u64, length: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    let mut buffer = vec![0; usize::try_from(length.min(1 << 20)).unwrap_or(1 << 20)];
    let mut done = 0;
    while done < length {
        let want = usize::try_from(length - done).unwrap_or(usize::MAX).min(buffer.len());
        match from.read_at(&mut buffer[..want], at + done)? {
            0 => break,
            read => {
                to.write_all_at(&buffer[..read], at + done)?;
                done += read as u64;
            }
        }
    }
    Ok(())
}

/// Whether a directory has nothing in it, without reading all of it.
pub(super) fn is_empty(dir: impl AsFd) -> Result<bool, Errno> {
    match super::read::each_entry(dir, |_, _| Err(Errno::NOTEMPTY)) {
        Ok(()) => Ok(true),
        Err(Errno::NOTEMPTY) => Ok(false),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests may make files")]

    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};

    use rustix::fs::{Dev, makedev};

    use super::*;

    #[test]
    fn a_copy_has_all_that_the_original_has() {
        let temp = tempfile::tempdir().unwrap();
        let (a, b) = (temp.path().join("a"), temp.path().join("b"));
        fs::create_dir(&a).unwrap();
        fs::create_dir(&b).unwrap();
        let (from, to) = (Dir::open(&a).unwrap(), Dir::open(&b).unwrap());
        from.mkdir_all("sub/deep", 0o750).unwrap();
        fs::write(a.join("sub/deep/file"), vec![7; 300_000]).unwrap();
        from.hardlink("sub/deep/file", "second").unwrap();
        symlink("/etc/passwd", a.join("link")).unwrap();
        symlink("nowhere", a.join("dangling")).unwrap();
        from.hardlink("link", "sub/link").unwrap();
        from.mknod("fifo", FileType::Fifo, 0o640, Dev::from(0_u8)).unwrap();
        from.mknod("null", FileType::CharacterDevice, 0o666, makedev(1, 3)).unwrap();
        from.mknod("socket", FileType::Socket, 0o700, Dev::from(0_u8)).unwrap();
        let sparse = File::create(a.join("sparse")).unwrap();
        sparse.set_len(1 << 30).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&sparse, b"data", 1 << 29).unwrap();
        from.chown("sub/deep/file", 12, 34).unwrap();
        from.chmod("sub/deep/file", 0o6755).unwrap();
        let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        from.setxattr("sub/deep/file", OsStr::new("security.capability"), &capability).unwrap();
        from.setxattr("sub", OsStr::new("trusted.overlay.opaque"), b"y").unwrap();
        from.setxattr("sub", OsStr::new("user.note"), b"kept").unwrap();
        from.chmod("sub", 0o1711).unwrap();
        let early = |seconds| {
            let time = Timespec { tv_sec: seconds, tv_nsec: 5 };
            Timestamps { last_access: time, last_modification: time }
        };
        for (number, path) in ["sub/deep/file", "link", "sub/deep", "sub"].into_iter().enumerate() {
            from.utimens(path, &early(1000 + number as i64)).unwrap();
        }
        from.chown_self(56, 78).unwrap();
        from.chmod_self(0o3770).unwrap();

        copy_tree(&from, &to).unwrap();
        copy_attributes_of_root(&from, &to).unwrap();

        for path in
            ["", "sub", "sub/deep", "sub/deep/file", "second", "link", "dangling", "fifo", "null", "sparse"]
        {
            let of = |root: &Path| {
                let meta = root.join(path).symlink_metadata().unwrap();
                let size = if meta.is_dir() { 0 } else { meta.len() };
                (meta.mode(), meta.uid(), meta.gid(), meta.rdev(), size, meta.mtime())
            };
            assert_eq!(of(&a), of(&b), "{path}");
        }
        let inode = |path: &str| b.join(path).symlink_metadata().unwrap().ino();
        assert_eq!(inode("second"), inode("sub/deep/file"));
        assert_eq!(inode("link"), inode("sub/link"));
        assert_eq!(fs::read(b.join("second")).unwrap(), vec![7; 300_000]);
        assert_eq!(fs::read_link(b.join("link")).unwrap(), Path::new("/etc/passwd"));
        assert!(b.join("socket").symlink_metadata().unwrap().file_type().is_socket());
        let sparse = fs::metadata(b.join("sparse")).unwrap();
        assert!(sparse.blocks() * 512 < 1 << 20, "a hole was filled: {} blocks", sparse.blocks());
        let mut at = [0; 4];
        std::os::unix::fs::FileExt::read_exact_at(&File::open(b.join("sparse")).unwrap(), &mut at, 1 << 29)
            .unwrap();
        assert_eq!(&at, b"data");
        let attribute = |path: &str, name: &str| to.getxattr(path, OsStr::new(name)).unwrap();
        assert_eq!(attribute("sub/deep/file", "security.capability").unwrap(), capability);
        assert_eq!(attribute("sub", "user.note").unwrap(), b"kept");
        assert_eq!(attribute("sub", "trusted.overlay.opaque"), None);
        assert!(!to.is_empty("").unwrap() && to.is_empty("sub").is_ok_and(|empty| !empty));
        fs::create_dir(b.join("bare")).unwrap();
        assert!(to.is_empty("bare").unwrap());
    }
}
