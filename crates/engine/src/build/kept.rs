//! What `--mount=type=cache` keeps between builds.
//!
//! ```text
//!   ROOT/build/caches/HASH/id      the name that a Dockerfile gives it
//!   ROOT/build/caches/HASH/data/   its files, with the ids that steps see
//!   ROOT/build/caches/HASH/lock    held by those who use it
//! ```

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use ::build::key::KeyBuilder;
use image::{Destination, Ids, Owner};
use rustix::fs::{FileType, RenameFlags};
use store::{Durability, Lock, write_atomic};
use sys::Dir;

use super::cache::CacheRow;
use crate::container::remove_tree;
use crate::error::{Doing, Error, Result};
use crate::output::Output;
use crate::paths::Engine;

/// Writes down what a cache is called.
pub(super) fn name(directory: &Dir, id: &str) -> Result<()> {
    if !directory.exists("id")? {
        write_atomic(directory, "id", id.as_bytes(), Durability::Volatile)?;
    }
    Ok(())
}

/// Returns what the directory of a cache is called.
pub(super) fn directory_name(id: &str) -> String {
    KeyBuilder::new("cache-mount").text(id).finish().hex()
}

/// Writes the files of a cache as an archive to a file, or to `stdout`. Whoever has locked it is waited for.
pub fn export(
    engine: &Engine,
    id: &str,
    output: Option<&Path>,
    stdout: &mut (dyn Write + Send),
) -> Result<()> {
    let path = engine.root.join("build/caches").join(directory_name(id));
    let export = |sink: &mut (dyn Write + Send)| {
        let directory = Dir::open(&path)?;
        let _lock = Lock::shared(&directory, "lock")?;
        Ok(image::write_tree(&Dir::open(path.join("data"))?, sink)?)
    };
    if !sys::fs::exists(path.join("data")) {
        return Err(Error::not_found(format!("No such cache mount: {id}"))
            .hint("`coracle build cache ls` lists them"));
    }
    let outcome = match output {
        Some(path) => Output::create(path).and_then(|mut output| {
            export(&mut output)?;
            output.commit()
        }),
        None => export(stdout),
    };
    outcome.doing(|| format!("cannot export cache mount `{id}`"))
}

/// Puts the files of an archive in place of what a cache has, or makes one. Whoever uses it is waited for.
pub fn import(engine: &Engine, id: &str, archive: impl Read + Send) -> Result<()> {
    let path = engine.root.join("build/caches").join(directory_name(id));
    let import = || -> Result<()> {
        sys::fs::create_dir_all(&path)?;
        let directory = Dir::open(&path)?;
        let _lock = Lock::exclusive(&directory, "lock")?;
        name(&directory, id)?;
        let fresh = path.join("fresh");
        // What an import that was killed has left.
        if sys::fs::exists(&fresh) {
            remove_tree(&fresh)?;
        }
        directory.mkdir("fresh", 0o755)?;
        let root = Dir::from_fd(Dir::open(&fresh)?.into(), id);
        image::read_archive(archive, &Destination { directory: &root, owner: Owner::Kept, ids: &Ids::SAME })?;
        if directory.exists("data")? {
            remove_tree(&path.join("data"))?;
        }
        Ok(directory.rename("fresh", "data", RenameFlags::empty())?)
    };
    import().doing(|| format!("cannot import cache mount `{id}`"))
}

/// Lists all caches, those used last first.
pub(super) fn list(engine: &Engine) -> Result<Vec<CacheRow>> {
    let mut rows = Vec::new();
    for (_, _, row) in caches(engine)? {
        rows.push(row);
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.last_used));
    Ok(rows)
}

/// Removes the caches that are meant and that nobody uses; returns what went.
pub(super) fn remove(engine: &Engine, is_meant: impl Fn(&CacheRow) -> bool) -> Result<Vec<CacheRow>> {
    let mut rows = Vec::new();
    for (path, directory, row) in caches(engine)? {
        if !is_meant(&row) {
            continue;
        }
        if let Some(_lock) = Lock::try_exclusive(&directory, "lock")? {
            remove_tree(&path)?;
            rows.push(row);
        }
    }
    Ok(rows)
}

fn caches(engine: &Engine) -> Result<Vec<(PathBuf, Dir, CacheRow)>> {
    let parent = engine.root.join("build/caches");
    if !sys::fs::exists(&parent) {
        return Ok(Vec::new());
    }
    let mut caches = Vec::new();
    for entry in Dir::open(&parent)?.list("")? {
        let path = parent.join(&entry.name);
        // One that goes meanwhile is none.
        let Ok(directory) = Dir::open(&path).map(Dir::strict) else { continue };
        let Ok(id) = directory.read_regular("id", 4096) else { continue };
        let last_used = directory.stat("data").map_or(0, |stat| stat.st_mtime);
        let row = CacheRow {
            key: entry.name.to_string_lossy().chars().take(12).collect(),
            title: format!("cache mount {}", String::from_utf8_lossy(&id)),
            size: size_of(&directory, Path::new("data"))?,
            last_used,
        };
        caches.push((path, directory, row));
    }
    Ok(caches)
}

/// Sum of the sizes of files.
fn size_of(root: &Dir, path: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in root.list(path).unwrap_or_default() {
        let child = path.join(entry.name);
        let Ok(stat) = root.lstat(&child) else { continue };
        total += match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => size_of(root, &child)?,
            FileType::RegularFile => u64::try_from(stat.st_size).unwrap_or(0),
            _ => 0,
        };
    }
    Ok(total)
}
