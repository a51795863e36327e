//! What a container has changed: its upper directory, held against the layers below.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};
use sys::Dir;

use crate::layer::{Parts, Seen, Stack, attributes, is_gone, is_opaque, is_whiteout};
use crate::{Error, Images, Result};

/// What has become of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    Modified,
    Added,
    Deleted,
}

/// One path that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileChange {
    /// Relative to the root.
    pub path: PathBuf,
    pub kind: ChangeKind,
}

/// All that differs, and what lies in the upper directory without differing.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    /// Sorted by path.
    pub(crate) changes: Vec<FileChange>,
    /// Copied up and then left as it was, or put there by the engine itself.
    pub(crate) unchanged: HashSet<PathBuf>,
    /// Owner, mode or attributes of the root itself.
    pub(crate) root: bool,
}

impl Images {
    /// Lists what a container has changed, sorted by path.
    ///
    /// `stubs` are the paths that the engine makes to mount something there: as long as nothing is in them they are
    /// no change of the container's.
    pub fn changes(&self, key: &str, stubs: &[&str]) -> Result<Vec<FileChange>> {
        let (upper, stack) = self.upper_over_stack(key)?;
        Ok(difference(&upper, &stack, stubs)?.changes)
    }

    /// Opens the upper directory of a snapshot, and what lies below it.
    pub(crate) fn upper_over_stack(&self, key: &str) -> Result<(Dir, Stack)> {
        let below = self.stack_below(self.parent(key)?)?;
        let layers = below.iter().map(|chain_id| self.layer_tree(chain_id)).collect::<Result<Vec<_>>>()?;
        Ok((self.upper(key)?, Stack::new(layers)))
    }
}

/// Compares an upper directory with the layers below it.
pub(crate) fn difference(upper: &Dir, stack: &Stack, stubs: &[&str]) -> Result<Difference> {
    let upper = upper.try_clone()?.strict();
    let parts = stack.root()?;
    let mut compare = Compare { upper: &upper, stack, stubs, found: Difference::default() };
    compare.directory(Path::new(""), &parts)?;
    compare.found.root = match parts.first() {
        Some(top) => !same_directory(&upper, stack.layer(*top))?,
        None => false,
    };
    let mut found = compare.found;
    found.changes.sort();
    Ok(found)
}

struct Compare<'a> {
    upper: &'a Dir,
    stack: &'a Stack,
    stubs: &'a [&'a str],
    found: Difference,
}

/// What was found in a directory.
#[derive(Debug, Default, Clone, Copy)]
struct Inside {
    changed: bool,
    /// The engine has made something in it, which has changed its time.
    stub: bool,
}

impl Compare<'_> {
    /// Compares all in a directory; `parts` are its parts below, none where it is new.
    fn directory(&mut self, path: &Path, parts: &Parts) -> Result<Inside> {
        let mut entries = match self.upper.list(path) {
            Err(error) if is_gone(&error) => return Ok(Inside::default()),
            other => other?,
        };
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let mut inside = Inside::default();
        for entry in entries {
            let child = path.join(&entry.name);
            let stat = match self.upper.lstat(&child) {
                Err(error) if is_gone(&error) => continue,
                other => other?,
            };
            let below = self.stack.look(parts, &child)?;
            if below.is_none() && self.is_stub(&child, &stat)? {
                inside.stub = true;
                self.found.unchanged.insert(child);
                continue;
            }
            match self.entry(&child, &stat, below, parts)? {
                Some(kind) => {
                    inside.changed = true;
                    self.found.changes.push(FileChange { path: child, kind });
                }
                None => drop(self.found.unchanged.insert(child)),
            }
        }
        Ok(inside)
    }

    fn entry(
        &mut self,
        path: &Path,
        stat: &Stat,
        below: Option<Seen>,
        parts: &Parts,
    ) -> Result<Option<ChangeKind>> {
        if is_whiteout(stat) {
            return Ok(below.map(|_| ChangeKind::Deleted));
        }
        let kind = if below.is_some() { ChangeKind::Modified } else { ChangeKind::Added };
        if !FileType::from_raw_mode(stat.st_mode).is_dir() {
            let same = match &below {
                Some(seen) => same_file(self.upper, stat, self.stack.layer(seen.layer), &seen.stat, path)?,
                None => false,
            };
            return Ok((!same).then_some(kind));
        }
        let Some(seen) = below.filter(|seen| FileType::from_raw_mode(seen.stat.st_mode).is_dir()) else {
            self.directory(path, &Parts::new())?;
            return Ok(Some(kind));
        };
        let parts = self.stack.directory(parts, path)?;
        let inside = self.directory(path, &parts)?;
        let (ours, theirs) = (self.upper.open_dir(path)?, self.stack.layer(seen.layer).open_dir(path)?);
        if is_opaque(&ours)? {
            self.hidden(path, &parts)?;
            return Ok(Some(kind));
        }
        let touched = !inside.stub && time(stat) != time(&seen.stat);
        let same = !inside.changed && !touched && same_directory(&ours, &theirs)?;
        Ok((!same).then_some(kind))
    }

    /// Tells what an opaque directory hides.
    fn hidden(&mut self, path: &Path, parts: &Parts) -> Result<()> {
        for name in self.stack.names(parts, path)? {
            let child = path.join(name);
            if !self.upper.exists(&child)? {
                self.found.changes.push(FileChange { path: child, kind: ChangeKind::Deleted });
            }
        }
        Ok(())
    }

    /// Whether the engine has made this to mount something over it, and nothing has come into it.
    fn is_stub(&self, path: &Path, stat: &Stat) -> Result<bool> {
        if !self.stubs.iter().any(|stub| Path::new(stub) == path) {
            return Ok(false);
        }
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => stat.st_size == 0,
            FileType::Directory => self.has_stubs_only(path)?,
            _ => false,
        })
    }

    fn has_stubs_only(&self, path: &Path) -> Result<bool> {
        for entry in self.upper.list(path)? {
            let child = path.join(entry.name);
            if !self.is_stub(&child, &self.upper.lstat(&child)?)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn time(stat: &Stat) -> (i64, u64) {
    (stat.st_mtime, stat.st_mtime_nsec)
}

fn same_directory(a: &Dir, b: &Dir) -> Result<bool> {
    let of = |dir: &Dir| -> Result<_> {
        let stat = dir.stat_self()?;
        Ok((
            stat.st_mode,
            stat.st_uid,
            stat.st_gid,
            attributes(dir.listxattr_self()?, |name| dir.getxattr_self(name))?,
        ))
    };
    Ok(of(a)? == of(b)?)
}

/// Whether a file that was copied up is still what it was: by all that a layer keeps of it, and then by content.
///
/// One with further names is taken for changed: a link to it can only be told in a layer that holds it.
fn same_file(upper: &Dir, ours: &Stat, lower: &Dir, theirs: &Stat, path: &Path) -> Result<bool> {
    let of = |stat: &Stat| (stat.st_mode, stat.st_uid, stat.st_gid, stat.st_rdev, stat.st_size, time(stat));
    if of(ours) != of(theirs) || ours.st_nlink > 1 {
        return Ok(false);
    }
    let compare = || -> Result<bool> {
        let xattrs = |dir: &Dir| attributes(dir.listxattr(path)?, |name: &OsStr| dir.getxattr(path, name));
        if xattrs(upper)? != xattrs(lower)? {
            return Ok(false);
        }
        match FileType::from_raw_mode(ours.st_mode) {
            FileType::RegularFile => same_content(upper, lower, path),
            FileType::Symlink => {
                let text = upper.read_link_if_any(path)?;
                Ok(text.is_some() && text == lower.read_link_if_any(path)?)
            }
            _ => Ok(true),
        }
    };
    match compare() {
        Err(Error::Sys(error)) if is_gone(&error) => Ok(false),
        other => other,
    }
}

fn same_content(upper: &Dir, lower: &Dir, path: &Path) -> Result<bool> {
    let read_error = |source| Error::Read { what: format!("`{}`", path.display()), source };
    let (mut a, mut b) = (upper.open_regular(path)?, lower.open_regular(path)?);
    let (mut ours, mut theirs) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let count = a.read(&mut ours).map_err(read_error)?;
        if count == 0 {
            return Ok(b.read(&mut theirs[..1]).map_err(read_error)? == 0);
        }
        if b.read_exact(&mut theirs[..count]).is_err() || ours[..count] != theirs[..count] {
            return Ok(false);
        }
    }
}

/// The path as Docker shows it.
impl std::fmt::Display for FileChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let letter = match self.kind {
            ChangeKind::Modified => 'C',
            ChangeKind::Added => 'A',
            ChangeKind::Deleted => 'D',
        };
        let path: OsString = self.path.clone().into();
        write!(f, "{letter} /{}", path.to_string_lossy())
    }
}
