//! What `--mount=type=cache` keeps between builds.
//!
//! ```text
//!   ROOT/build/caches/HASH/id      the name that a Dockerfile gives it
//!   ROOT/build/caches/HASH/data/   its files, with the ids that steps see
//!   ROOT/build/caches/HASH/lock    held by those who use it
//! ```

use std::path::{Path, PathBuf};

use rustix::fs::FileType;
use store::{Durability, Lock, write_atomic};
use sys::Dir;

use super::cache::CacheRow;
use crate::container::remove_tree;
use crate::error::Result;
use crate::paths::Engine;

/// Writes down what a cache is called.
pub(super) fn name(directory: &Dir, id: &str) -> Result<()> {
    if !directory.exists("id")? {
        write_atomic(directory, "id", id.as_bytes(), Durability::Volatile)?;
    }
    Ok(())
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
