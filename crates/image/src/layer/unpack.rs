//! Puts the entries of an archive into a directory that is in use, as `docker cp` does: what is there is replaced,
//! directories are joined. No link below that directory is followed, so that whoever swaps names meanwhile gains
//! nothing (CVE-2018-15664, CVE-2021-41089).

use std::ffi::OsStr;
use std::fs::File;
use std::io::BufRead;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{FileType, Timestamps};
use rustix::io::Errno;
use sys::Dir;

use super::extract::path::{Clean, clean};
use super::extract::{extract_error, fault, file_attributes, join, kept_xattrs, times, write_data};
use crate::Result;
use crate::ids::Ids;
use crate::tar::{Entry, Kind, TarReader};

/// Whose the new files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// As the archive says.
    Kept,
    /// All of this user and group, by their ids inside.
    Set { uid: u32, gid: u32 },
}

/// Where an archive goes.
#[derive(Debug)]
pub struct Destination<'a> {
    /// The directory that the names of the archive lie in.
    pub directory: &'a Dir,
    pub owner: Owner,
    /// How ids inside appear to this process.
    pub ids: &'a Ids,
}

pub(super) struct Unpacker<'a> {
    root: Dir,
    owner: Owner,
    ids: &'a Ids,
    parent: Option<(Vec<u8>, Dir)>,
    directories: Vec<(Vec<u8>, Timestamps)>,
    /// Sum of the sizes of files.
    pub(super) bytes: u64,
}

impl<'a> Unpacker<'a> {
    pub(super) fn new(target: &Destination<'a>) -> Result<Self> {
        let root = target.directory.try_clone()?.strict();
        let (owner, ids) = (target.owner, target.ids);
        Ok(Self { root, owner, ids, parent: None, directories: Vec::new(), bytes: 0 })
    }

    pub(super) fn entry<R: BufRead>(&mut self, mut entry: Entry, reader: &mut TarReader<R>) -> Result<()> {
        let (uid, gid) = match self.owner {
            Owner::Kept => (entry.uid, entry.gid),
            Owner::Set { uid, gid } => (uid, gid),
        };
        (entry.uid, entry.gid) = self.ids.outside(uid, gid);
        let (parent, name): (Vec<u8>, Vec<u8>) =
            match clean(&entry.path).map_err(|reason| fault(&entry.path, reason))? {
                // The directory itself stays what it is.
                Clean::Root => return Ok(()),
                Clean::Below { parent, name } => (parent, name),
            };
        let failed = |error| extract_error(&entry, error);
        let dir = self.take_parent(&parent).map_err(failed)?;
        let file = Path::new(OsStr::from_bytes(&name));
        let found = match dir.lstat(file) {
            Ok(stat) => Some(FileType::from_raw_mode(stat.st_mode)),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(failed(error)),
        };
        match (found, &entry.kind) {
            (Some(kind), Kind::Directory) if !kind.is_dir() => {
                return Err(fault(&entry.path, "cannot overwrite a non-directory with a directory"));
            }
            (Some(FileType::Directory), kind) if *kind != Kind::Directory => {
                return Err(fault(&entry.path, "cannot overwrite a directory with a non-directory"));
            }
            _ => {}
        }
        match &entry.kind {
            Kind::File { sparse, .. } => {
                let file = self.create(&dir, file, found.is_some()).map_err(failed)?;
                let Created { mut file, is_new } = file;
                self.bytes += write_data(&entry, reader, &mut file, sparse.as_ref())?;
                if is_new {
                    file_attributes(&entry, &file.into()).map_err(failed)?;
                }
            }
            Kind::Hardlink(target) => self.link(&entry, &dir, file, found.is_some(), target)?,
            _ => self.other(&entry, &dir, file, found.is_some()).map_err(failed)?,
        }
        if entry.kind == Kind::Directory {
            self.directories.push((join(&parent, &name), times(&entry)));
        }
        self.parent = Some((parent, dir));
        Ok(())
    }

    /// Sets the times of all directories, when nothing is added to them any more.
    pub(super) fn finish(&mut self) -> Result<()> {
        for (path, times) in self.directories.drain(..).rev() {
            match self.root.utimens(OsStr::from_bytes(&path), &times) {
                Err(error) if !super::pack::is_gone(&error) => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    fn create(&self, dir: &Dir, name: &Path, exists: bool) -> sys::Result<Created> {
        if exists {
            match dir.unlink(name) {
                // Something is mounted here: the engine's own /etc/hosts, or a file that was bound. It gets new content.
                Err(error) if error.errno() == Some(Errno::BUSY) => {
                    let flags =
                        rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::TRUNC | rustix::fs::OFlags::NOFOLLOW;
                    let file = File::from(dir.open_file(name, flags | rustix::fs::OFlags::NONBLOCK, 0)?);
                    return Ok(Created { file, is_new: false });
                }
                Err(error) if !error.is_not_found() => return Err(error),
                _ => {}
            }
        }
        Ok(Created { file: File::from(dir.create_file(name, 0o600)?), is_new: true })
    }

    fn link(&self, entry: &Entry, dir: &Dir, name: &Path, exists: bool, target: &[u8]) -> Result<()> {
        let Clean::Below { parent, name: last } =
            clean(target).map_err(|reason| fault(&entry.path, reason))?
        else {
            return Err(fault(&entry.path, "a hard link cannot lead to a directory"));
        };
        let link = || {
            if exists {
                dir.unlink(name)?;
            }
            let path = clean(&entry.path).map(|clean| match clean {
                Clean::Below { parent, name } => join(&parent, &name),
                Clean::Root => Vec::new(),
            });
            let target = join(&parent, &last);
            self.root.hardlink(OsStr::from_bytes(&target), OsStr::from_bytes(&path.unwrap_or_default()))
        };
        link().map_err(|error| extract_error(entry, error))
    }

    fn other(&self, entry: &Entry, dir: &Dir, name: &Path, exists: bool) -> sys::Result<()> {
        let is_directory = entry.kind == Kind::Directory;
        if exists && !is_directory {
            dir.unlink(name)?;
        }
        match &entry.kind {
            Kind::Directory if exists => {}
            Kind::Directory => dir.mkdir(name, 0o700)?,
            Kind::Symlink(target) => dir.symlink(OsStr::from_bytes(target), name)?,
            Kind::Fifo => dir.mknod(name, FileType::Fifo, 0o600, 0)?,
            Kind::Character { major, minor } => {
                dir.mknod(name, FileType::CharacterDevice, 0o600, rustix::fs::makedev(*major, *minor))?;
            }
            Kind::Block { major, minor } => {
                dir.mknod(name, FileType::BlockDevice, 0o600, rustix::fs::makedev(*major, *minor))?;
            }
            Kind::File { .. } | Kind::Hardlink(_) => unreachable!("made elsewhere"),
        }
        dir.chown(name, entry.uid, entry.gid)?;
        if !matches!(entry.kind, Kind::Symlink(_)) {
            dir.chmod(name, entry.mode)?;
        }
        for (attribute, value) in kept_xattrs(entry) {
            match dir.setxattr(name, attribute, value) {
                Err(error) if error.errno() == Some(Errno::OPNOTSUPP) => {}
                other => other?,
            }
        }
        if is_directory { Ok(()) } else { dir.utimens(name, &times(entry)) }
    }

    /// Returns the directory that an entry lies in, made where the archive does not mention it.
    fn take_parent(&mut self, path: &[u8]) -> sys::Result<Dir> {
        match self.parent.take() {
            Some((cached, dir)) if cached == path => return Ok(dir),
            _ => {}
        }
        let parent = Path::new(OsStr::from_bytes(path));
        match self.root.open_dir(parent) {
            Err(error) if error.is_not_found() => {}
            other => return other,
        }
        let dir = self.root.mkdir_all(parent, 0o755)?;
        let (uid, gid) = self.ids.root();
        dir.chown_self(uid, gid)?;
        Ok(dir)
    }
}

struct Created {
    file: File,
    is_new: bool,
}

/// Reads an archive to its end and puts it where it goes; returns how many bytes of files it held.
pub(super) fn unpack<R: BufRead>(source: R, target: &Destination<'_>) -> Result<u64> {
    let mut unpacker = Unpacker::new(target)?;
    let mut reader = TarReader::new(source);
    while let Some(entry) = reader.next()? {
        unpacker.entry(entry, &mut reader)?;
    }
    unpacker.finish()?;
    Ok(unpacker.bytes)
}
