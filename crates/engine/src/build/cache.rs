//! The build cache: which image a step gave. What it holds is images without a name, shown by `images -a` alone.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use oci::digest::{Digest, ImageId};
use serde::{Deserialize, Serialize};
use store::{Durability, Lock, Record, read_record, write_record};
use sys::Dir;

use crate::error::Result;
use crate::paths::Engine;

/// What a step gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CacheRecord {
    pub(super) image: ImageId,
    /// The instruction, for people.
    pub(super) title: String,
    /// When it was done (RFC 3339): the time of its history entry.
    pub(super) created: String,
    /// Whether it has changed files.
    pub(super) has_layer: bool,
    /// Bytes of its layer's files.
    pub(super) size: u64,
    /// Seconds since 1970.
    pub(super) last_used: i64,
}

impl Record for CacheRecord {
    const KIND: &'static str = "build-step";
    const VERSION: u32 = 1;
}

/// One step as `build cache ls` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheRow {
    pub key: String,
    pub title: String,
    pub size: u64,
    pub last_used: i64,
}

/// The cache of an engine.
#[derive(Debug)]
pub(super) struct Cache {
    directory: Dir,
}

impl Cache {
    pub(super) fn open(engine: &Engine) -> Result<Self> {
        let path = path(engine);
        sys::fs::create_dir_all(&path)?;
        Ok(Self { directory: Dir::open(&path)? })
    }

    /// Returns what a key gave, if its image is still there.
    pub(super) fn find(&self, images: &image::Images, key: &Digest) -> Result<Option<CacheRecord>> {
        let record: CacheRecord = match read_record(&self.directory, &name(key)) {
            Ok(record) => record,
            Err(error) if error.is_not_found() => return Ok(None),
            // A record that does not read is none: the step is done again.
            Err(_) => return Ok(None),
        };
        if images.image(&record.image).is_err() {
            return Ok(None);
        }
        let now = jiff::Timestamp::now().as_second();
        if record.last_used != now {
            self.write(key, &CacheRecord { last_used: now, ..record.clone() })?;
        }
        Ok(Some(record))
    }

    pub(super) fn write(&self, key: &Digest, record: &CacheRecord) -> Result<()> {
        Ok(write_record(&self.directory, &name(key), record, Durability::Volatile)?)
    }

    /// Waits until nobody else does the same step.
    pub(super) fn alone(&self, key: &Digest) -> Result<StepLock<'_>> {
        let name = format!("{}.lock", key.hex());
        let lock = Lock::exclusive(&self.directory, &name)?;
        Ok(StepLock { cache: self, lock: Some(lock), name })
    }

    pub(super) fn records(&self) -> Result<Vec<(String, CacheRecord)>> {
        let mut records = Vec::new();
        for entry in self.directory.list("")? {
            let Some(name) = entry.name.to_str().filter(|name| name.ends_with(".json")) else { continue };
            if let Ok(record) = read_record::<CacheRecord>(&self.directory, name) {
                records.push((name.trim_end_matches(".json").to_owned(), record));
            }
        }
        records.sort_by(|a, b| b.1.last_used.cmp(&a.1.last_used).then_with(|| a.0.cmp(&b.0)));
        Ok(records)
    }
}

/// Held while a step is done.
#[derive(Debug)]
pub(super) struct StepLock<'a> {
    cache: &'a Cache,
    lock: Option<Lock>,
    name: String,
}

impl Drop for StepLock<'_> {
    fn drop(&mut self) {
        if let Some(lock) = self.lock.take() {
            let _ = lock.remove(&self.cache.directory, &self.name);
        }
    }
}

/// The images that are nothing but results of steps.
pub(crate) fn hidden(engine: &Engine) -> Result<BTreeSet<ImageId>> {
    if !sys::fs::exists(path(engine)) {
        return Ok(BTreeSet::new());
    }
    Ok(Cache::open(engine)?.records()?.into_iter().map(|(_, record)| record.image).collect())
}

/// Lists the steps in the cache and then what `--mount=type=cache` keeps, those used last first.
pub fn list(engine: &Engine) -> Result<Vec<CacheRow>> {
    let mut rows: Vec<CacheRow> = Cache::open(engine)?.records()?.into_iter().map(row).collect();
    rows.extend(super::kept::list(engine)?);
    rows.extend(super::fetched::list(engine)?);
    Ok(rows)
}

/// What has gone from the cache.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrunedCache {
    pub rows: Vec<CacheRow>,
    /// What that has freed: layers that a named image has too stay.
    pub bytes: u64,
}

/// Forgets steps and caches of mounts that were not used for so long.
pub fn prune(engine: &Engine, unused_for: Option<Duration>) -> Result<PrunedCache> {
    let now = jiff::Timestamp::now().as_second();
    let limit = unused_for.map_or(0, |age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
    let cache = Cache::open(engine)?;
    let old: BTreeSet<String> = cache
        .records()?
        .into_iter()
        .filter(|(_, record)| now - record.last_used >= limit)
        .map(|(key, _)| key)
        .collect();
    let mut pruned = forget(engine, |key| old.contains(key))?;
    if unused_for.is_none() {
        super::seen::forget_all(engine)?;
    }
    let before = now.saturating_sub(limit);
    let mut others = super::kept::remove(engine, |row| row.last_used <= before)?;
    others.extend(super::fetched::forget(engine, |row| row.last_used <= before)?);
    pruned.bytes += others.iter().map(|row| row.size).sum::<u64>();
    pruned.rows.extend(others);
    Ok(pruned)
}

/// Forgets the steps whose keys are meant, and removes the images that nothing else needs.
pub(super) fn forget(engine: &Engine, is_meant: impl Fn(&str) -> bool) -> Result<PrunedCache> {
    let cache = Cache::open(engine)?;
    let (old, kept): (Vec<_>, Vec<_>) = cache.records()?.into_iter().partition(|(key, _)| is_meant(key));
    let mut needed: BTreeSet<ImageId> = kept.into_iter().map(|(_, record)| record.image).collect();
    let named = crate::image::open(engine)?.list_images()?.into_iter();
    needed.extend(named.filter(|summary| !summary.references.is_empty()).map(|summary| summary.image.id));
    let mut pruned = PrunedCache::default();
    let mut images = Vec::new();
    for (key, record) in old {
        let _ = rustix::fs::unlinkat(&cache.directory, format!("{key}.json"), rustix::fs::AtFlags::empty());
        if !needed.contains(&record.image) && !images.contains(&record.image) {
            images.push(record.image);
        }
        pruned.rows.push(row((key, record)));
    }
    // One that a container uses stays, and is seen from now on.
    pruned.bytes = crate::image::remove_unused(engine, &images)?;
    Ok(pruned)
}

fn row((key, record): (String, CacheRecord)) -> CacheRow {
    CacheRow {
        key: key.chars().take(12).collect(),
        title: record.title,
        size: record.size,
        last_used: record.last_used,
    }
}

fn path(engine: &Engine) -> PathBuf {
    engine.root.join("build/cache")
}

fn name(key: &Digest) -> String {
    format!("{}.json", key.hex())
}
