//! `--verify`: holds the steps of two builds of the same input against each other, and finds what differs first.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use oci::class::Class;
use oci::digest::{Digest, ImageId};
use rustix::fs::{FileType, Stat};
use sys::Dir;

use super::origin::Tree;
use super::stop::StopFlag;
use crate::error::{Error, Result};
use crate::paths::Engine;

/// What a step gave, in the order of the Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Traced {
    /// The number of its stage, and its own in that.
    pub(super) place: (usize, usize),
    /// The instruction with its place: `[stage 1/3] RUN make`.
    pub(super) title: String,
    pub(super) image: ImageId,
    pub(super) key: Digest,
}

/// Fails with the first step whose files are not the same in both.
pub(super) fn hold_together(engine: &Engine, first: &[Traced], second: &[Traced]) -> Result<()> {
    let images = crate::image::open(engine)?;
    for (one, other) in first.iter().zip(second) {
        if one.image == other.image {
            continue;
        }
        let top = |traced: &Traced| images.image(&traced.image).map(|image| image.top());
        if top(one)? == top(other)? {
            continue;
        }
        let stop = StopFlag::default();
        let trees = [one, other].map(|traced| Tree::of_image(engine, &traced.image, &stop));
        let [one_tree, other_tree] = trees;
        let difference = first_difference(&one_tree?.root, &other_tree?.root, Path::new(""))?;
        let difference = difference.unwrap_or_else(|| Difference {
            path: PathBuf::new(),
            what: "files are written that do not change, or in another order".to_owned(),
            hint: None,
        });
        let text = format!(
            "the build is not reproducible: `{}` gives other files each time: `/{}`: {}",
            one.title,
            difference.path.display(),
            difference.what
        );
        let error = Error::new(Class::Conflict, text);
        return Err(match difference.hint {
            Some(hint) => error.hint(hint),
            None => error,
        });
    }
    Ok(())
}

/// What differs of one file.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
    path: PathBuf,
    what: String,
    hint: Option<&'static str>,
}

/// Walks both trees in the order of names.
fn first_difference(one: &Dir, other: &Dir, path: &Path) -> Result<Option<Difference>> {
    let differs =
        |path: &Path, what: String| Ok(Some(Difference { path: path.to_owned(), what, hint: None }));
    let (names, others) = (names(one, path)?, names(other, path)?);
    if let Some(name) = names.iter().find(|name| !others.contains(name)) {
        return differs(&path.join(name), "it is there the first time only".to_owned());
    }
    if let Some(name) = others.iter().find(|name| !names.contains(name)) {
        return differs(&path.join(name), "it is there the second time only".to_owned());
    }
    for name in names {
        let path = path.join(name);
        let stats = [one.lstat(&path)?, other.lstat(&path)?];
        if let Some(what) = attributes_differ(one, other, &path, &stats)? {
            return differs(&path, what);
        }
        if FileType::from_raw_mode(stats[0].st_mode).is_dir()
            && let Some(difference) = first_difference(one, other, &path)?
        {
            return Ok(Some(difference));
        }
        // The time comes last: whatever else differs is the reason that it does.
        let [a, b] = stats.map(|stat| (stat.st_mtime, stat.st_mtime_nsec));
        if a != b {
            let hint = Some("with SOURCE_DATE_EPOCH no time is later than that");
            return Ok(Some(Difference { path, what: times_differ(a.0, b.0), hint }));
        }
    }
    Ok(None)
}

fn times_differ(a: i64, b: i64) -> String {
    let text = |seconds| jiff::Timestamp::from_second(seconds).unwrap_or_default();
    format!("the time of its last change is {} and {}", text(a), text(b))
}

fn names(dir: &Dir, path: &Path) -> Result<Vec<PathBuf>> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let mut names: Vec<PathBuf> =
        dir.list(path)?.into_iter().map(|entry| PathBuf::from(entry.name)).collect();
    names.sort();
    Ok(names)
}

fn attributes_differ(one: &Dir, other: &Dir, path: &Path, stats: &[Stat; 2]) -> Result<Option<String>> {
    let [a, b] = stats;
    let kind = FileType::from_raw_mode(a.st_mode);
    if kind != FileType::from_raw_mode(b.st_mode) {
        return Ok(Some("it is another kind of file".to_owned()));
    }
    if kind.is_file() {
        if let Some(at) = contents_differ(one, other, path)? {
            return Ok(Some(format!("its content differs from byte {at} on")));
        }
    } else if kind.is_symlink() {
        let (a, b) = (one.read_link(path)?, other.read_link(path)?);
        if a != b {
            return Ok(Some(format!("the link leads to `{}` and `{}`", a.display(), b.display())));
        }
        return Ok(None);
    } else if a.st_rdev != b.st_rdev && !kind.is_dir() {
        return Ok(Some("it is another device".to_owned()));
    }
    if a.st_mode != b.st_mode {
        return Ok(Some(format!("its mode is {:o} and {:o}", a.st_mode & 0o7777, b.st_mode & 0o7777)));
    }
    if (a.st_uid, a.st_gid) != (b.st_uid, b.st_gid) {
        let owners = format!("{}:{} and {}:{}", a.st_uid, a.st_gid, b.st_uid, b.st_gid);
        return Ok(Some(format!("it belongs to {owners}")));
    }
    let attributes = |dir: &Dir| -> Result<BTreeMap<Vec<u8>, Option<Vec<u8>>>> {
        let names = dir.listxattr(path)?.into_iter();
        names.map(|name| Ok((name.clone(), dir.getxattr(path, OsStr::from_bytes(&name))?))).collect()
    };
    let (a, b) = (attributes(one)?, attributes(other)?);
    let odd = a.keys().chain(b.keys()).find(|name| a.get(*name) != b.get(*name));
    Ok(odd.map(|name| format!("its attribute `{}` differs", String::from_utf8_lossy(name))))
}

/// Returns the first byte that differs.
fn contents_differ(one: &Dir, other: &Dir, path: &Path) -> Result<Option<u64>> {
    let read_error = |error: std::io::Error| {
        Error::new(Class::of_os_error(&error), format!("cannot read `/{}`", path.display())).caused_by(error)
    };
    let (mut one, mut other) = (one.open_regular(path)?, other.open_regular(path)?);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let mut at = 0;
    loop {
        left.clear();
        right.clear();
        one.by_ref().take(1 << 16).read_to_end(&mut left).map_err(read_error)?;
        other.by_ref().take(1 << 16).read_to_end(&mut right).map_err(read_error)?;
        if left != right {
            let common = left.iter().zip(&right).take_while(|(a, b)| a == b).count();
            return Ok(Some(at + common as u64));
        }
        if left.is_empty() {
            return Ok(None);
        }
        at += left.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use sys::Dir;

    use super::first_difference;

    fn put(path: &Path, text: &str) {
        let written = fs::File::create(path).and_then(|mut file| file.write_all(text.as_bytes()));
        written.expect("it can be written");
    }

    /// Makes one tree twice and changes the second; returns what is found.
    fn found(change: impl Fn(&Path)) -> Option<String> {
        let base = tempfile::tempdir().expect("it can be made");
        let dirs = ["one", "other"].map(|name| {
            let path = base.path().join(name);
            sys::fs::create_dir_all(path.join("d/sub")).expect("it can be made");
            for name in ["a", "d/b", "d/sub/c"] {
                put(&path.join(name), "content\n");
            }
            symlink("a", path.join("l")).expect("it can be made");
            path
        });
        change(&dirs[1]);
        for path in &dirs {
            for name in ["a", "d/b", "d/sub/c", "d/sub", "d"] {
                let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1000);
                let file = fs::File::open(path.join(name)).and_then(|file| file.set_modified(time));
                drop(file);
            }
        }
        // That of the link itself cannot be set so: both have it from the first.
        let [one, other] = dirs.map(|path| Dir::open(path).expect("it is there"));
        let stat = one.lstat("l").expect("it is there");
        #[expect(clippy::cast_possible_wrap, reason = "nanoseconds are below 10^9")]
        let time = rustix::fs::Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec as i64 };
        let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
        other.utimens("l", &times).expect("it can be set");
        let difference = first_difference(&one, &other, Path::new("")).expect("they can be read");
        difference.map(|difference| format!("{}: {}", difference.path.display(), difference.what))
    }

    #[test]
    fn the_first_difference_is_named() {
        assert_eq!(found(|_| ()), None);
        let write = |name: &'static str, text: &'static str| move |path: &Path| put(&path.join(name), text);
        let is = |found: Option<String>, expected: &str| assert_eq!(found.as_deref(), Some(expected));
        is(found(write("d/b", "contenT\n")), "d/b: its content differs from byte 6 on");
        is(found(write("d/b", "content\nmore")), "d/b: its content differs from byte 8 on");
        is(found(write("d/new", "")), "d/new: it is there the second time only");
        is(
            found(|path| {
                fs::set_permissions(path.join("d/sub/c"), fs::Permissions::from_mode(0o640))
                    .expect("it can be set");
            }),
            "d/sub/c: its mode is 644 and 640",
        );
        is(
            found(|path| {
                fs::remove_file(path.join("l")).expect("it is there");
                symlink("d", path.join("l")).expect("it can be made");
            }),
            "l: the link leads to `a` and `d`",
        );
    }
}
