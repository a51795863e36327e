//! Puts what a source names where a destination is: below the root of an image, over what is there.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Timespec, Timestamps};
use sys::Dir;

use super::gather::{Found, Item, attributes};
use super::mode;
use super::origin::Tree;
use crate::error::{Error, Result};

/// The image that is written to, and what becomes of files.
#[derive(Debug)]
pub(super) struct Placer<'a> {
    pub(super) root: &'a Dir,
    /// Whose everything becomes; without it, as in the source.
    pub(super) owner: Option<(u32, u32)>,
    pub(super) mode: Option<&'a str>,
}

impl Placer<'_> {
    /// Copies one item of a tree; `destination` is absolute.
    pub(super) fn place(&self, tree: &Tree, item: &Item, destination: &str) -> Result<()> {
        let base = self.base(item, destination)?;
        let mut directories = Vec::new();
        let mut linked = BTreeMap::new();
        for found in &item.found {
            tree.stop.check()?;
            let target =
                if found.relative.as_os_str().is_empty() { base.clone() } else { base.join(&found.relative) };
            // Names of one file stay that.
            let is_file = FileType::from_raw_mode(found.stat.st_mode).is_file();
            if is_file && found.stat.st_nlink > 1 {
                let inode = (found.stat.st_dev, found.stat.st_ino);
                if let Some(first) = linked.get(&inode) {
                    self.clear(&target)?;
                    self.root.hardlink(first, &target)?;
                    continue;
                }
                linked.insert(inode, target.clone());
            }
            if self.entry(&tree.root, found, &target)? {
                directories.push((target, found));
            }
        }
        // What is made in a directory changes its time.
        for (path, found) in directories.iter().rev() {
            self.root.utimens(path, &times(found))?;
        }
        Ok(())
    }

    /// Makes a file of the Dockerfile's own text.
    pub(super) fn inline(&self, name: &str, content: &str, destination: &str) -> Result<()> {
        let target = self.target(Path::new(name), destination)?;
        self.clear(&target)?;
        let file = std::fs::File::from(self.root.create_file(&target, 0o644)?);
        io::Write::write_all(&mut &file, content.as_bytes()).map_err(|error| write_error(&target, error))?;
        let (uid, gid) = self.owner.unwrap_or((0, 0));
        self.root.chown(&target, uid, gid)?;
        Ok(self.root.chmod(&target, self.mode.map_or(0o644, |text| mode::apply(text, 0o644, false)))?)
    }

    /// Opens the directory that an archive is unpacked in.
    pub(super) fn directory(&self, destination: &str) -> Result<Dir> {
        self.parents(Path::new(destination.trim_start_matches('/')))?;
        let path = relative(destination);
        let directory =
            self.root.open_dir(if path.as_os_str().is_empty() { Path::new(".") } else { &path })?;
        let label = directory.label().to_owned();
        Ok(Dir::from_fd(directory.into(), label))
    }

    /// Where the first thing of an item comes to lie.
    fn base(&self, item: &Item, destination: &str) -> Result<PathBuf> {
        match &item.name {
            // The contents of a directory go into the destination, whatever it is called.
            None => {
                let path = relative(destination);
                self.parents(&path)?;
                Ok(path)
            }
            Some(name) => self.target(Path::new(name), destination),
        }
    }

    /// Where a file comes to lie: in a directory under its name, or as what the destination says.
    fn target(&self, name: &Path, destination: &str) -> Result<PathBuf> {
        let path = relative(destination);
        let is_directory = destination.ends_with('/') || self.is_directory(&path);
        let target = if is_directory { path.join(name) } else { self.followed(path)? };
        self.parents(target.parent().unwrap_or(Path::new("")))?;
        Ok(target)
    }

    /// What a link at the destination leads to, below the root: the file there is written, or made.
    fn followed(&self, mut path: PathBuf) -> Result<PathBuf> {
        // As many as the kernel follows (path_resolution(7)).
        for _ in 0..40 {
            let is_link =
                self.root.lstat(&path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_symlink());
            if !is_link {
                return Ok(path);
            }
            let target = path.parent().unwrap_or(Path::new("")).join(self.root.read_link(&path)?);
            path = target.strip_prefix("/").map(Path::to_owned).unwrap_or(target);
        }
        Err(Error::invalid(format!("too many symbolic links at `/{}`", path.display())))
    }

    fn is_directory(&self, path: &Path) -> bool {
        let stat = self.root.stat(if path.as_os_str().is_empty() { Path::new(".") } else { path });
        stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir())
    }

    /// Makes the missing directories above a path.
    fn parents(&self, path: &Path) -> Result<()> {
        let mut so_far = PathBuf::new();
        for component in path.components() {
            so_far.push(component);
            if self.is_directory(&so_far) {
                continue;
            }
            if self.root.exists(&so_far)? {
                return Err(Error::invalid(format!("`/{}` is not a directory", so_far.display())));
            }
            self.root.mkdir(&so_far, 0o755)?;
            let (uid, gid) = self.owner.unwrap_or((0, 0));
            self.root.chown(&so_far, uid, gid)?;
            self.root.chmod(&so_far, 0o755)?;
        }
        Ok(())
    }

    /// Takes a file or link out of the way.
    fn clear(&self, target: &Path) -> Result<()> {
        match self.root.lstat(target) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode).is_dir() => {
                Err(Error::invalid(format!("cannot copy a file over the directory `/{}`", target.display())))
            }
            Ok(_) => Ok(self.root.unlink(target)?),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes one entry; returns whether a directory was made.
    fn entry(&self, source: &Dir, found: &Found, target: &Path) -> Result<bool> {
        let kind = FileType::from_raw_mode(found.stat.st_mode);
        if kind.is_dir() {
            // The destination itself was made beforehand; those below become as in the source.
            if found.relative.as_os_str().is_empty() {
                return Ok(false);
            }
            if self.is_directory(target) {
                let stat = self.root.lstat(target)?;
                let is_own = FileType::from_raw_mode(stat.st_mode).is_dir();
                if is_own {
                    self.finish(source, found, target)?;
                }
                return Ok(is_own);
            }
            if self.root.exists(target)? {
                let text = format!("cannot copy a directory over the file `/{}`", target.display());
                return Err(Error::invalid(text));
            }
            self.root.mkdir(target, 0o700)?;
            self.finish(source, found, target)?;
            return Ok(true);
        }
        self.clear(target)?;
        match kind {
            FileType::Symlink => {
                self.root.symlink(source.read_link(&found.path)?, target)?;
                let (uid, gid) = self.owner_of(found);
                self.root.chown(target, uid, gid)?;
                self.root.utimens(target, &times(found))?;
                return Ok(false);
            }
            FileType::Fifo | FileType::BlockDevice | FileType::CharacterDevice => {
                self.root.mknod(target, kind, 0o600, found.stat.st_rdev)?;
            }
            _ => {
                let mut from = source.open_regular(&found.path)?;
                let mut to = std::fs::File::from(self.root.create_file(target, 0o600)?);
                io::copy(&mut from, &mut to).map_err(|error| write_error(target, error))?;
            }
        }
        self.finish(source, found, target)?;
        self.root.utimens(target, &times(found))?;
        Ok(false)
    }

    /// Owner, mode and attributes; the kernel clears capabilities when the owner changes.
    fn finish(&self, source: &Dir, found: &Found, target: &Path) -> Result<()> {
        let (uid, gid) = self.owner_of(found);
        self.root.chown(target, uid, gid)?;
        let bits = found.stat.st_mode & 0o7777;
        let is_directory = FileType::from_raw_mode(found.stat.st_mode).is_dir();
        self.root.chmod(target, self.mode.map_or(bits, |text| mode::apply(text, bits, is_directory)))?;
        for (name, value) in attributes(source, found)? {
            self.root.setxattr(target, std::ffi::OsStr::from_bytes(&name), &value)?;
        }
        Ok(())
    }

    fn owner_of(&self, found: &Found) -> (u32, u32) {
        self.owner.unwrap_or((found.stat.st_uid, found.stat.st_gid))
    }
}

fn relative(destination: &str) -> PathBuf {
    PathBuf::from(destination.trim_matches('/'))
}

fn times(found: &Found) -> Timestamps {
    #[expect(clippy::cast_possible_wrap, reason = "nanoseconds are below 10^9")]
    let time = Timespec { tv_sec: found.stat.st_mtime, tv_nsec: found.stat.st_mtime_nsec as i64 };
    Timestamps { last_access: time, last_modification: time }
}

fn write_error(target: &Path, error: io::Error) -> Error {
    Error::new(oci::class::Class::of_os_error(&error), format!("cannot write `/{}`", target.display()))
        .caused_by(error)
}
