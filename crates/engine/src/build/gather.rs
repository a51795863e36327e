//! What a source of COPY means: files found by a path or pattern, and what names them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ::build::content::{self, Entry, EntryKind, Owners};
use ::build::ignore::{Matcher, Verdict};
use ::build::key::KeyBuilder;
use ::build::plan::SourcePath;
use oci::digest::Digest;
use rustix::fs::{FileType, Stat};
use sys::Dir;

use super::origin::Tree;
use crate::error::{Error, Result};

/// One thing that a source names.
#[derive(Debug)]
pub(super) struct Item {
    /// What it is called where it comes to lie, if it is not the contents of a directory.
    pub(super) name: Option<OsString>,
    /// In order, directories before what is in them; the first is the thing itself.
    pub(super) found: Vec<Found>,
}

/// One file, directory or link.
#[derive(Debug)]
pub(super) struct Found {
    /// Below the item.
    pub(super) relative: PathBuf,
    /// Below the root of the tree.
    pub(super) path: PathBuf,
    pub(super) stat: Stat,
}

/// What is left out, by `--exclude`.
pub(super) type Excluded<'a> = &'a Matcher;

/// Finds what a source names.
pub(super) fn gather(
    tree: &Tree,
    source: &SourcePath,
    parents: bool,
    exclude: Excluded<'_>,
) -> Result<Vec<Item>> {
    let pattern = source.pattern.trim_start_matches('/');
    let paths = if has_wildcards(pattern) {
        expand(tree, pattern)?
    } else {
        let path = PathBuf::from(pattern);
        if is_ignored(tree, &path) {
            return Err(not_found(&source.pattern, true));
        }
        vec![path]
    };
    let mut items = Vec::new();
    for path in paths {
        if let Some(item) = item(tree, source, &path, parents, exclude)? {
            items.push(item);
        }
    }
    Ok(items)
}

/// Takes the digest of all that can change a result.
pub(super) fn digest(tree: &Tree, items: &[Item], owners: Owners) -> Result<Digest> {
    let mut entries = content::Tree::default();
    let mut known = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        for found in &item.found {
            // The name stands in front, so that two items keep apart.
            let mut path = format!("{index}/").into_bytes();
            path.extend(item.name.iter().flat_map(|name| name.as_bytes()));
            path.push(b'/');
            path.extend(found.relative.as_os_str().as_bytes());
            entries.0.insert(path, entry(tree, found, &mut known)?);
        }
    }
    Ok(entries.digest(owners))
}

/// Names what was found as it was when it was looked at: with the same witness nothing was written to meanwhile, as the
/// time of a file's last change of any kind can be set by nobody (inode(7)).
pub(super) fn witness(tree: &Tree, items: &[Item], builder: &mut KeyBuilder) {
    if !tree.is_live {
        return;
    }
    builder.number(items.len() as u64);
    for found in items.iter().flat_map(|item| &item.found) {
        let stat = &found.stat;
        builder.bytes(found.path.as_os_str().as_bytes());
        let times = [stat.st_ctime.cast_unsigned(), stat.st_ctime_nsec];
        for number in [stat.st_dev, stat.st_ino, stat.st_size.cast_unsigned()].into_iter().chain(times) {
            builder.number(number);
        }
    }
}

pub(super) fn not_found(path: &str, ignored: bool) -> Error {
    let error = Error::not_found(format!("`{path}` is not there"));
    if ignored { error.hint("the ignore file leaves it out of the context") } else { error }
}

fn item(
    tree: &Tree,
    source: &SourcePath,
    path: &Path,
    parents: bool,
    exclude: Excluded<'_>,
) -> Result<Option<Item>> {
    // A link that is named itself is followed, as long as it stays inside.
    let stat =
        tree.root.stat(if path.as_os_str().is_empty() { Path::new(".") } else { path }).map_err(|error| {
            match error.is_not_found() {
                true => not_found(&source.pattern, false),
                false => Error::from(error),
            }
        })?;
    let is_directory = FileType::from_raw_mode(stat.st_mode).is_dir();
    let own_name = path.file_name().map(std::ffi::OsStr::to_owned);
    if !is_directory && own_name.as_ref().is_some_and(|name| excludes(exclude, Path::new(name), path)) {
        return Ok(None);
    }
    let name = own_name.filter(|_| !is_directory && !parents);
    let typed = path;
    let path = &followed(&tree.root, path)?;
    let mut found = vec![Found { relative: PathBuf::new(), path: path.to_owned(), stat }];
    if is_directory {
        let mut verdict = Verdict::default();
        for ancestor in ancestors(path) {
            verdict = tree.ignore.judge(&ancestor, &verdict);
        }
        let mut walk = Walk { tree, exclude, found: &mut found };
        walk.directory(path, Path::new(""), &verdict)?;
    }
    if parents {
        found = below_parents(&tree.root, typed, source.pivot.as_deref(), found)?;
    }
    Ok(Some(Item { name, found }))
}

/// What a link at the end of a path leads to, below the root.
fn followed(root: &Dir, path: &Path) -> Result<PathBuf> {
    let mut path = path.to_owned();
    // As many as the kernel follows (path_resolution(7)).
    for _ in 0..40 {
        if path.as_os_str().is_empty() || !FileType::from_raw_mode(root.lstat(&path)?.st_mode).is_symlink() {
            return Ok(path);
        }
        let target = root.read_link(&path)?;
        let target = path.parent().unwrap_or(Path::new("")).join(target);
        path = target.strip_prefix("/").map(Path::to_owned).unwrap_or(target);
    }
    Err(Error::invalid(format!("too many symbolic links at `{}`", path.display())))
}

/// With `--parents`: puts the directories above in front, from the pivot on.
fn below_parents(root: &Dir, path: &Path, pivot: Option<&str>, own: Vec<Found>) -> Result<Vec<Found>> {
    let pivot = Path::new(pivot.unwrap_or_default().trim_start_matches('/'));
    let kept = path.strip_prefix(pivot).unwrap_or(path);
    let mut above: Vec<&Path> = kept.ancestors().skip(1).collect();
    above.reverse();
    let mut found = Vec::new();
    for relative in above {
        let path = pivot.join(relative);
        let stat = root.stat(if path.as_os_str().is_empty() { Path::new(".") } else { &path })?;
        found.push(Found { relative: relative.to_owned(), path, stat });
    }
    found.extend(own.into_iter().map(|own| Found {
        relative: if own.relative.as_os_str().is_empty() {
            kept.to_owned()
        } else {
            kept.join(&own.relative)
        },
        ..own
    }));
    Ok(found)
}

fn ancestors(path: &Path) -> Vec<String> {
    let text = path.to_string_lossy().into_owned();
    if text.is_empty() {
        return Vec::new();
    }
    let ends = text.match_indices('/').map(|(at, _)| at).chain([text.len()]);
    ends.map(|end| text[..end].to_owned()).collect()
}

struct Walk<'a> {
    tree: &'a Tree,
    exclude: Excluded<'a>,
    found: &'a mut Vec<Found>,
}

impl Walk<'_> {
    fn directory(&mut self, path: &Path, relative: &Path, verdict: &Verdict) -> Result<()> {
        let directory =
            self.tree.root.open_dir(if path.as_os_str().is_empty() { Path::new(".") } else { path })?;
        let mut entries = directory.list(".")?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        self.tree.stop.check()?;
        for entry in entries {
            let (path, relative) = (path.join(&entry.name), relative.join(&entry.name));
            let judged = self.tree.ignore.judge(&path.to_string_lossy(), verdict);
            let left_out = judged.ignored || excludes(self.exclude, &relative, &path);
            let stat = directory.lstat(&entry.name)?;
            let kind = FileType::from_raw_mode(stat.st_mode);
            if left_out {
                // Something below may be taken back; its directory comes along then.
                if kind.is_dir() && (self.tree.ignore.takes_back() || self.exclude.takes_back()) {
                    let before = self.found.len();
                    self.found.push(Found { relative: relative.clone(), path: path.clone(), stat });
                    self.directory(&path, &relative, &judged)?;
                    if self.found.len() == before + 1 {
                        self.found.pop();
                    }
                }
                continue;
            }
            if kind == FileType::Socket {
                continue;
            }
            self.found.push(Found { relative: relative.clone(), path: path.clone(), stat });
            if kind.is_dir() {
                self.directory(&path, &relative, &judged)?;
            }
        }
        Ok(())
    }
}

/// A pattern counts from the directory that is copied, and from the root.
fn excludes(exclude: &Matcher, relative: &Path, path: &Path) -> bool {
    !exclude.is_empty()
        && (exclude.ignores(&relative.to_string_lossy()) || exclude.ignores(&path.to_string_lossy()))
}

fn is_ignored(tree: &Tree, path: &Path) -> bool {
    let text = path.to_string_lossy();
    let is_directory = || {
        let stat = tree.root.lstat(path);
        stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir())
    };
    // Of an ignored directory something may be taken back.
    !text.is_empty() && tree.ignore.ignores(&text) && !(tree.ignore.takes_back() && is_directory())
}

fn has_wildcards(pattern: &str) -> bool {
    let mut escaped = false;
    pattern.chars().any(|letter| {
        let wild = !escaped && matches!(letter, '*' | '?' | '[');
        escaped = !escaped && letter == '\\';
        wild
    })
}

/// Finds the paths that a pattern fits; a wildcard never stands for `/`, but for `**`.
fn expand(tree: &Tree, pattern: &str) -> Result<Vec<PathBuf>> {
    let invalid = |_| Error::invalid(format!("invalid pattern `{pattern}`"));
    let parts: Vec<&str> = pattern.split('/').collect();
    let deep = parts.contains(&"**");
    let whole = Matcher::from_patterns([pattern]).map_err(invalid)?;
    let mut paths = vec![PathBuf::new()];
    if deep {
        let exclude = Matcher::default();
        let mut found = Vec::new();
        Walk { tree, exclude: &exclude, found: &mut found }.directory(
            Path::new(""),
            Path::new(""),
            &Verdict::default(),
        )?;
        let matches = |path: &Path| whole.judge(&path.to_string_lossy(), &Verdict::default()).ignored;
        return Ok(found.into_iter().map(|found| found.path).filter(|path| matches(path)).collect());
    }
    for part in parts {
        let matcher = Matcher::from_patterns([part]).map_err(invalid)?;
        let mut next = Vec::new();
        for path in paths {
            if !has_wildcards(part) {
                let path = path.join(part.replace('\\', ""));
                if tree.root.exists(&path)? {
                    next.push(path);
                }
                continue;
            }
            let listed = if path.as_os_str().is_empty() { Path::new(".") } else { &path };
            let mut entries = match tree.root.list(listed) {
                Ok(entries) => entries,
                Err(_) => continue,
            };
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            let fits = |name: &std::ffi::OsStr| matcher.ignores(&name.to_string_lossy());
            next.extend(
                entries.into_iter().filter(|entry| fits(&entry.name)).map(|entry| path.join(entry.name)),
            );
        }
        paths = next;
    }
    paths.retain(|path| !is_ignored(tree, path));
    Ok(paths)
}

/// Looks at one thing; a file that was read before, or under another name, is not read again.
fn entry(tree: &Tree, found: &Found, known: &mut BTreeMap<(u64, u64), Digest>) -> Result<Entry> {
    tree.stop.check()?;
    let root = &tree.root;
    let stat = &found.stat;
    let made = |kind, xattrs| Entry {
        kind,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        xattrs,
    };
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => EntryKind::Directory,
        FileType::Symlink => {
            EntryKind::Link { target: root.read_link(&found.path)?.into_os_string().as_bytes().to_vec() }
        }
        FileType::Fifo => EntryKind::Pipe,
        kind @ (FileType::BlockDevice | FileType::CharacterDevice) => EntryKind::Device {
            is_block: kind == FileType::BlockDevice,
            major: rustix::fs::major(stat.st_rdev),
            minor: rustix::fs::minor(stat.st_rdev),
        },
        _ => {
            // Only files without attributes are kept there; to give one some changes its times.
            if let Some(content) = tree.seen.as_ref().and_then(|seen| seen.find(stat)) {
                return Ok(made(EntryKind::File { content }, BTreeMap::new()));
            }
            let xattrs = attributes(root, found)?;
            let content = content_of(tree, found, known, xattrs.is_empty())?;
            return Ok(made(EntryKind::File { content }, xattrs));
        }
    };
    Ok(made(kind, attributes(root, found)?))
}

fn content_of(
    tree: &Tree,
    found: &Found,
    known: &mut BTreeMap<(u64, u64), Digest>,
    is_bare: bool,
) -> Result<Digest> {
    let inode = (found.stat.st_dev, found.stat.st_ino);
    if let Some(content) = known.get(&inode) {
        return Ok(*content);
    }
    let mut file = tree.root.open_regular(&found.path)?;
    let content = content::digest_of(tree.stop.reader(&mut file)).map_err(|error| {
        let class = oci::class::Class::of_os_error(&error);
        Error::new(class, format!("cannot read `{}`", found.path.display())).caused_by(error)
    })?;
    if let Some(seen) = tree.seen.as_ref().filter(|_| is_bare) {
        seen.note(&file, &found.stat, content);
    }
    if found.stat.st_nlink > 1 {
        known.insert(inode, content);
    }
    Ok(content)
}

/// The extended attributes that a layer may have.
pub(super) fn attributes(root: &Dir, found: &Found) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut kept = BTreeMap::new();
    if FileType::from_raw_mode(found.stat.st_mode) == FileType::Symlink {
        return Ok(kept);
    }
    let path = &found.path;
    let is_root = path.as_os_str().is_empty();
    let names = if is_root { root.listxattr_self()? } else { root.listxattr(path)? };
    for name in names {
        let is_kept = name.starts_with(b"user.") && !name.starts_with(b"user.overlay.");
        if is_kept || name == b"security.capability" {
            let text = std::ffi::OsStr::from_bytes(&name);
            let value = if is_root { root.getxattr_self(text)? } else { root.getxattr(path, text)? };
            kept.extend(value.map(|value| (name, value)));
        }
    }
    Ok(kept)
}
