//! From a tree to a tar: the opposite of `extract`. The same tree always gives the same bytes.
//!
//! Entries are sorted: a directory, then all in it that is no directory, then its directories in turn. Times are whole
//! seconds. Of a file with several names the first is the file, the others are links to it. Long runs of zeros are
//! holes, whether the disk has them or not: where a file system keeps holes is its own affair.
//!
//! A tree may be at work while it is read. No symlink is followed and nothing is opened that is no regular file, so
//! that whoever swaps names meanwhile is not led anywhere (CVE-2018-15664); what has gone since it was listed is left out.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, OFlags, Stat, fstat};
use rustix::io::Errno;
use sys::Dir;

use super::zeros::pieces;
use crate::ids::Ids;
use crate::tar::{Entry, Kind, TarWriter, Time};
use crate::{Error, Result};

/// Files at least this large are looked through for holes.
const SPARSE_BYTES_MIN: u64 = 128 << 10;
const BUFFER_BYTES: usize = 256 << 10;
/// Of a file in `/proc` so much is read.
const MADE_UP_BYTES_MAX: u64 = 16 << 20;
pub(crate) const OPAQUE: &str = "trusted.overlay.opaque";
pub(crate) const WHITEOUT: &[u8] = b".wh.";
const OPAQUE_MARK: &[u8] = b".wh..wh..opq";

/// What a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A layer as overlayfs stacks it: what hides something becomes a whiteout.
    Layer,
    /// A whole file system, as it is.
    Whole,
    /// Some files of one, as they are; what the kernel makes up (`/proc`) is left out.
    Part,
}

/// How a tree is packed.
pub(crate) struct Packing<'a> {
    pub(crate) form: Form,
    /// What is left out, with all below it. Paths are relative to the tree.
    pub(crate) skip: &'a (dyn Fn(&Path) -> bool + Sync),
    /// No time is later (`SOURCE_DATE_EPOCH`); seconds since 1970.
    pub(crate) latest: Option<i64>,
    /// Directories bear their times: one that an archive does not mention has that of its making.
    pub(crate) directory_times: bool,
    /// What the tree is called in the archive.
    pub(crate) prefix: &'a Path,
    /// How ids inside appear to this process.
    pub(crate) ids: &'a Ids,
}

static SAME: Ids = Ids::SAME;

impl Packing<'_> {
    /// A layer as it lies in the store.
    pub(crate) fn layer() -> Packing<'static> {
        Packing {
            form: Form::Layer,
            skip: &|_| false,
            latest: None,
            directory_times: true,
            prefix: Path::new(""),
            ids: &SAME,
        }
    }
    /// A file system as it is.
    pub(crate) fn whole() -> Packing<'static> {
        Packing { form: Form::Whole, ..Packing::layer() }
    }
}

/// Writes a tree as entries; the archive is not ended. Returns what no layer can hold and was left out.
pub(crate) fn pack<W: Write>(
    tree: &Dir,
    packing: &Packing<'_>,
    tar: &mut TarWriter<W>,
) -> Result<Vec<PathBuf>> {
    let tree = tree.try_clone()?.strict();
    let mut packer = Packer::new(&tree, packing, tar);
    packer.all()?;
    Ok(packer.left_out)
}

/// Writes something in a directory as an entry, which is called as the prefix says.
pub(crate) fn pack_entry<W: Write>(
    parent: &Dir,
    name: &OsStr,
    packing: &Packing<'_>,
    tar: &mut TarWriter<W>,
) -> Result<()> {
    let parent = parent.try_clone()?.strict();
    let stat = parent.lstat(name)?;
    let mut packer = Packer::new(&parent, packing, tar);
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => packer.file(&parent, Path::new(name), Path::new("")),
        _ => packer.other(&parent, Path::new(name), Path::new("")),
    }
}

struct Packer<'a, W> {
    tree: &'a Dir,
    packing: &'a Packing<'a>,
    tar: &'a mut TarWriter<W>,
    /// The first name of each file that has several.
    links: HashMap<(u64, u64), Vec<u8>>,
    buffer: Vec<u8>,
    left_out: Vec<PathBuf>,
}

impl<'a, W: Write> Packer<'a, W> {
    fn new(tree: &'a Dir, packing: &'a Packing<'a>, tar: &'a mut TarWriter<W>) -> Self {
        let (links, left_out) = (HashMap::new(), Vec::new());
        Self { tree, packing, tar, links, buffer: vec![0; BUFFER_BYTES], left_out }
    }

    /// What a path is called in the archive.
    fn name(&self, path: &Path) -> Vec<u8> {
        let prefix = self.packing.prefix.as_os_str().as_bytes();
        match (prefix, path.as_os_str().as_bytes()) {
            (prefix, b"") => prefix.to_vec(),
            (b"", path) => path.to_vec(),
            (prefix, path) => [prefix, path].join(&b'/'),
        }
    }

    fn all(&mut self) -> Result<()> {
        let mut pending = vec![PathBuf::new()];
        while let Some(path) = pending.pop() {
            // One directory is open at a time, whatever the depth.
            let dir = match self.tree.open_dir(&path) {
                Err(error) if is_gone(&error) => continue,
                other => other?,
            };
            self.directory(&dir, &path)?;
            if self.packing.form == Form::Part && !path.as_os_str().is_empty() && is_made_up(&dir) {
                continue;
            }
            let mut entries = match dir.list("") {
                Err(error) if is_gone(&error) => continue,
                other => other?,
            };
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            let mut below = Vec::new();
            for entry in entries {
                let child = path.join(&entry.name);
                if (self.packing.skip)(&child) {
                    continue;
                }
                if self.packing.form == Form::Layer && entry.name.as_bytes().starts_with(WHITEOUT) {
                    // In a layer the name would mean that another file is gone.
                    self.left_out.push(child);
                    continue;
                }
                match entry.kind {
                    FileType::Directory => below.push(child),
                    FileType::RegularFile => self.file(&dir, Path::new(&entry.name), &child)?,
                    _ => self.other(&dir, Path::new(&entry.name), &child)?,
                }
            }
            pending.extend(below.into_iter().rev());
        }
        Ok(())
    }

    fn directory(&mut self, dir: &Dir, path: &Path) -> Result<()> {
        let is_root = path.as_os_str().is_empty();
        if is_root && self.packing.form == Form::Whole {
            // As with Docker: unpacked somewhere, it should not change the directory it is unpacked into.
            return Ok(());
        }
        let names = dir.listxattr_self()?;
        let xattrs = attributes(names, |name| dir.getxattr_self(name))?;
        let mut name = self.name(path);
        name.extend_from_slice(if name.is_empty() { b"./" } else { b"/" });
        let entry = self.entry(name, Kind::Directory, &dir.stat_self()?, xattrs);
        self.write(&entry)?;
        let is_opaque = || dir.getxattr_self(OsStr::new(OPAQUE)).map(|value| value.as_deref() == Some(b"y"));
        if self.packing.form == Form::Layer && is_opaque()? {
            let mark = path.join(OsStr::from_bytes(OPAQUE_MARK));
            self.whiteout(mark.as_os_str().as_bytes().to_vec())?;
        }
        Ok(())
    }

    fn file(&mut self, dir: &Dir, name: &Path, path: &Path) -> Result<()> {
        // NONBLOCK: a FIFO may have taken the file's place since it was listed.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let fd = match dir.open_file(name, flags, 0) {
            Err(error) if is_gone(&error) => return Ok(()),
            other => other?,
        };
        let failed = |source: io::Error| Error::Read { what: format!("`{}`", path.display()), source };
        let stat = fstat(&fd).map_err(|errno| failed(errno.into()))?;
        if !FileType::from_raw_mode(stat.st_mode).is_file() {
            return Ok(());
        }
        let file = File::from(fd);
        let bytes = self.name(path);
        if let Some(first) = self.first_name(&stat, &bytes) {
            let entry = self.entry(bytes, Kind::Hardlink(first), &stat, Vec::new());
            return self.write(&entry);
        }
        let names = sys::dir::list_attributes(&file).map_err(failed)?;
        let xattrs = attributes(names, |name| sys::dir::attribute(&file, name)).map_err(failed)?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        if size == 0 && self.packing.form == Form::Part && is_made_up(&file) {
            return self.made_up(&file, bytes, &stat, path);
        }
        let sparse = if size < SPARSE_BYTES_MIN { None } else { pieces(&file, size).map_err(failed)? };
        let segments = match &sparse {
            Some(sparse) => sparse.segments.clone(),
            None => vec![(0, size)],
        };
        let entry = self.entry(bytes, Kind::File { size, sparse }, &stat, xattrs);
        self.write(&entry)?;
        self.data(&file, &segments, path)
    }

    /// Writes a file whose size nobody knows before it is read.
    fn made_up(&mut self, file: &File, name: Vec<u8>, stat: &Stat, path: &Path) -> Result<()> {
        use std::io::Read;
        let mut content = Vec::new();
        file.take(MADE_UP_BYTES_MAX)
            .read_to_end(&mut content)
            .map_err(|source| Error::Read { what: format!("`{}`", path.display()), source })?;
        let kind = Kind::File { size: content.len() as u64, sparse: None };
        let entry = self.entry(name, kind, stat, Vec::new());
        self.write(&entry)?;
        self.tar.data(&content).map_err(write_error)
    }

    fn data(&mut self, file: &File, segments: &[(u64, u64)], path: &Path) -> Result<()> {
        use std::os::unix::fs::FileExt;
        for (mut at, len) in segments.iter().copied() {
            let end = at + len;
            while at < end {
                let want = usize::try_from(end - at).map_or(BUFFER_BYTES, |left| left.min(BUFFER_BYTES));
                match file.read_at(&mut self.buffer[..want], at) {
                    // Somebody has cut it short; the header is written, so that zeros take the place.
                    Ok(0) => {
                        self.buffer[..want].fill(0);
                        self.tar.data(&self.buffer[..want]).map_err(write_error)?;
                        at += want as u64;
                    }
                    Ok(read) => {
                        self.tar.data(&self.buffer[..read]).map_err(write_error)?;
                        at += read as u64;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(source) => return Err(Error::Read { what: format!("`{}`", path.display()), source }),
                }
            }
        }
        Ok(())
    }

    /// Writes a symlink, device node or FIFO. Sockets mean nothing without who listens: as with Docker they stay behind.
    fn other(&mut self, dir: &Dir, name: &Path, path: &Path) -> Result<()> {
        let look = || -> sys::Result<_> {
            let stat = dir.lstat(name)?;
            let kind = FileType::from_raw_mode(stat.st_mode);
            let link = if kind.is_symlink() { dir.read_link_if_any(name)? } else { Some(PathBuf::new()) };
            let xattrs = attributes(dir.listxattr(name)?, |attribute| dir.getxattr(name, attribute))?;
            Ok(link.map(|link| (stat, kind, link, xattrs)))
        };
        let (stat, kind, link, xattrs) = match look() {
            Ok(Some(seen)) => seen,
            Ok(None) => return Ok(()),
            Err(error) if is_gone(&error) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let bytes = self.name(path);
        let (major, minor) = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
        let kind = match kind {
            FileType::CharacterDevice if stat.st_rdev == 0 && self.packing.form == Form::Layer => {
                let mut mark =
                    path.parent().map(|parent| parent.as_os_str().as_bytes().to_vec()).unwrap_or_default();
                if !mark.is_empty() {
                    mark.push(b'/');
                }
                mark.extend_from_slice(WHITEOUT);
                mark.extend_from_slice(name.as_os_str().as_bytes());
                return self.whiteout(mark);
            }
            FileType::Symlink => Kind::Symlink(link.as_os_str().as_bytes().to_vec()),
            FileType::CharacterDevice => Kind::Character { major, minor },
            FileType::BlockDevice => Kind::Block { major, minor },
            FileType::Fifo => Kind::Fifo,
            _ => return Ok(()),
        };
        let kind = match self.first_name(&stat, &bytes) {
            Some(first) => Kind::Hardlink(first),
            None => kind,
        };
        let entry = self.entry(bytes, kind, &stat, xattrs);
        self.write(&entry)
    }

    /// Returns the name that a file with several names was written under before.
    fn first_name(&mut self, stat: &Stat, path: &[u8]) -> Option<Vec<u8>> {
        if stat.st_nlink < 2 {
            return None;
        }
        let first = self.links.entry((stat.st_dev, stat.st_ino)).or_insert_with(|| path.to_vec());
        (first != path).then(|| first.clone())
    }

    /// A whiteout has neither owner nor time: overlayfs keeps none of them, and who made it when changes nothing.
    fn whiteout(&mut self, path: Vec<u8>) -> Result<()> {
        let entry = Entry {
            path,
            kind: Kind::File { size: 0, sparse: None },
            mode: 0,
            uid: 0,
            gid: 0,
            mtime: Time::default(),
            atime: None,
            xattrs: Vec::new(),
        };
        self.write(&entry)
    }

    fn entry(&self, path: Vec<u8>, kind: Kind, stat: &Stat, xattrs: Attributes) -> Entry {
        let seconds = match self.packing.directory_times || kind != Kind::Directory {
            true => self.packing.latest.map_or(stat.st_mtime, |latest| latest.min(stat.st_mtime)),
            false => 0,
        };
        let mode = if matches!(kind, Kind::Symlink(_)) { 0o777 } else { stat.st_mode & 0o7777 };
        let mtime = Time { seconds, nanoseconds: 0 };
        let (uid, gid) = self.packing.ids.inside(stat.st_uid, stat.st_gid);
        Entry { path, kind, mode, uid, gid, mtime, atime: None, xattrs }
    }

    fn write(&mut self, entry: &Entry) -> Result<()> {
        self.tar.entry(entry).map_err(write_error)
    }
}

impl<W> std::fmt::Debug for Packer<'_, W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Packer({})", self.tree.label().display())
    }
}

pub(crate) fn write_error(source: io::Error) -> Error {
    Error::Write { what: "archive".to_owned(), source }
}

/// Whether the kernel makes the content up: it has no end, or acts on those who read it.
fn is_made_up(file: impl std::os::fd::AsFd) -> bool {
    const KINDS: [i64; 9] = [
        0x9fa0,      // proc
        0x6265_6572, // sysfs
        0x27_e0eb,   // cgroup
        0x6367_7270, // cgroup2
        0x1cd1,      // devpts
        0x1980_0202, // mqueue
        0x6462_6720, // debugfs
        0x7472_6163, // tracefs
        0x7363_6673, // securityfs
    ];
    rustix::fs::fstatfs(file).is_ok_and(|stat| KINDS.contains(&stat.f_type))
}

/// Whether a name is no longer what it was when it was listed.
pub(crate) fn is_gone(error: &sys::Error) -> bool {
    matches!(error.errno(), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO | Errno::XDEV))
}

/// Names and values of extended attributes.
type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// Returns the attributes that a layer may have, sorted by name.
pub(crate) fn attributes<E>(
    mut names: Vec<Vec<u8>>,
    get: impl Fn(&OsStr) -> Result<Option<Vec<u8>>, E>,
) -> Result<Attributes, E> {
    names.retain(|name| super::extract::is_kept(name) && !name.contains(&b'='));
    names.sort();
    let mut attributes = Vec::with_capacity(names.len());
    for name in names {
        if let Some(value) = get(OsStr::from_bytes(&name))? {
            attributes.push((name, value));
        }
    }
    Ok(attributes)
}
