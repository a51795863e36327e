//! Automatic collection: which steps and caches of mounts go so that the build cache stays within its bounds.

use std::collections::{BTreeSet, HashMap, HashSet};

use oci::digest::ChainId;
use store::Lock;
use sys::Dir;

use super::cache::Cache;
use super::policy::BuildPolicy;
use super::{cache, fetched, kept};
use crate::error::Result;
use crate::paths::Engine;

/// One thing in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    key: String,
    /// Seconds since 1970.
    last_used: i64,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    /// A step's image: its layers with their sizes, the lowest first.
    Step(Vec<(ChainId, u64)>),
    /// What a mount has kept, or the file of an address.
    Mount { bytes: u64 },
}

/// Takes away what lies beyond the bounds, unless a build goes on: what that has found must stay.
pub(super) fn collect(engine: &Engine) -> Result<()> {
    if !engine.build.collects {
        return Ok(());
    }
    let Some(_alone) = Lock::try_exclusive(Dir::open(engine.root.join("build"))?, super::work::BUILDS)?
    else {
        return Ok(());
    };
    let (entries, pinned) = look(engine)?;
    let now = jiff::Timestamp::now().as_second();
    let gone = choose(entries, &pinned, &engine.build, now);
    if gone.is_empty() {
        return Ok(());
    }
    cache::forget(engine, |key| gone.contains(key))?;
    kept::remove(engine, |row| gone.contains(&row.key))?;
    fetched::forget(engine, |row| gone.contains(&row.key)).map(drop)
}

/// Returns what the cache has, and the layers of images that are not only the cache's.
fn look(engine: &Engine) -> Result<(Vec<Entry>, HashSet<ChainId>)> {
    let images = crate::image::open(engine)?;
    let mut entries = Vec::new();
    let mut hidden = BTreeSet::new();
    for (key, record) in Cache::open(engine)?.records()? {
        // One whose image was taken away is nothing; the next prune forgets it.
        let Ok(image) = images.image(&record.image) else { continue };
        hidden.insert(record.image);
        let layers = image.layers.iter().map(|layer| (layer.chain_id, layer.size)).collect();
        entries.push(Entry { key, last_used: record.last_used, what: What::Step(layers) });
    }
    for row in kept::list(engine)?.into_iter().chain(fetched::list(engine)?) {
        let what = What::Mount { bytes: row.size };
        entries.push(Entry { key: row.key, last_used: row.last_used, what });
    }
    let others = images.list_images()?.into_iter();
    let others = others
        .filter(|summary| !(summary.references.is_empty() && hidden.contains(&summary.image.id)))
        .flat_map(|summary| summary.image.layers)
        .map(|layer| layer.chain_id);
    Ok((entries, others.collect()))
}

/// Decides what goes.
fn choose(entries: Vec<Entry>, pinned: &HashSet<ChainId>, policy: &BuildPolicy, now: i64) -> HashSet<String> {
    let age = |entry: &Entry| u64::try_from(now.saturating_sub(entry.last_used)).unwrap_or(0);
    let (old, mut kept): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|entry| age(entry) > policy.unused_max.as_secs());
    let mut gone: HashSet<String> = old.into_iter().map(|entry| entry.key).collect();
    // Those used longest ago come first.
    kept.sort_by_key(|entry| entry.last_used);
    let is_idle_mount = |entry: &Entry| {
        matches!(entry.what, What::Mount { .. }) && age(entry) > BuildPolicy::MOUNTS_UNUSED_MAX.as_secs()
    };
    while bytes(&kept, pinned) > BuildPolicy::MOUNTS_BYTES_MAX {
        let Some(index) = kept.iter().position(is_idle_mount) else { break };
        gone.insert(kept.remove(index).key);
    }
    while bytes(&kept, pinned) > policy.cache_bytes_max {
        let inner = inner_layers(&kept);
        let frees = |entry: &Entry| match &entry.what {
            What::Mount { .. } => true,
            // A step that others build on frees nothing, nor does one whose layer an image has.
            What::Step(layers) => {
                layers.last().is_some_and(|(top, _)| !pinned.contains(top) && !inner.contains(top))
            }
        };
        let Some(index) = kept.iter().position(frees) else { break };
        gone.insert(kept.remove(index).key);
    }
    gone
}

/// Sums up what nothing but these entries needs.
fn bytes(entries: &[Entry], pinned: &HashSet<ChainId>) -> u64 {
    let mut layers = HashMap::new();
    let mut total = 0;
    for entry in entries {
        match &entry.what {
            What::Mount { bytes } => total += bytes,
            What::Step(own) => layers.extend(own.iter().copied()),
        }
    }
    layers.retain(|layer, _| !pinned.contains(layer));
    total + layers.values().sum::<u64>()
}

/// The layers that lie below others.
fn inner_layers(entries: &[Entry]) -> HashSet<ChainId> {
    let below = |entry: &Entry| match &entry.what {
        What::Step(layers) => layers.iter().rev().skip(1).map(|(layer, _)| *layer).collect::<Vec<_>>(),
        What::Mount { .. } => Vec::new(),
    };
    entries.iter().flat_map(below).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use oci::digest::{ChainId, Digest};

    use super::{BuildPolicy, Entry, What, choose};

    const NOW: i64 = 100 * DAY;
    const DAY: i64 = 24 * 3600;
    const GB: u64 = 1_000_000_000;

    fn layer(byte: u8) -> ChainId {
        ChainId::new(Digest::from_bytes([byte; 32]))
    }

    /// A step over layers of a gigabyte each.
    fn step(key: &str, days_ago: i64, layers: &[u8]) -> Entry {
        let layers = layers.iter().map(|byte| (layer(*byte), GB)).collect();
        Entry { key: key.to_owned(), last_used: NOW - days_ago * DAY, what: What::Step(layers) }
    }

    fn mount(key: &str, days_ago: i64, gigabytes: u64) -> Entry {
        let what = What::Mount { bytes: gigabytes * GB };
        Entry { key: key.to_owned(), last_used: NOW - days_ago * DAY, what }
    }

    #[track_caller]
    fn check(entries: &[Entry], pinned: &[u8], gigabytes_max: u64, expected: &[&str]) {
        let pinned: HashSet<ChainId> = pinned.iter().map(|byte| layer(*byte)).collect();
        let policy = BuildPolicy {
            cache_bytes_max: gigabytes_max * GB,
            unused_max: Duration::from_hours(60 * 24),
            ..BuildPolicy::default()
        };
        let mut gone: Vec<String> = choose(entries.to_vec(), &pinned, &policy, NOW).into_iter().collect();
        gone.sort();
        assert_eq!(gone, expected);
    }

    #[test]
    fn what_nobody_has_used_for_long_goes_whatever_there_is() {
        check(&[step("a", 61, &[1]), step("b", 59, &[2]), mount("c", 61, 0)], &[], 20, &["a", "c"]);
    }

    #[test]
    fn idle_mounts_go_first_where_much_is_kept() {
        let entries = [step("a", 30, &[1]), mount("b", 3, 2), mount("c", 1, 2), mount("d", 4, 1)];
        check(&entries, &[], 20, &["b", "d"]);
        check(&entries[..2], &[], 20, &["b"]);
        check(&[step("a", 30, &[1]), mount("b", 3, 1)], &[], 20, &[]);
    }

    #[test]
    fn beyond_the_bound_leaves_go_by_their_last_use() {
        // Two builds over one base: the older branch goes, from its end.
        let entries = [
            step("base", 9, &[1]),
            step("old", 9, &[1, 2]),
            step("old end", 9, &[1, 2, 3]),
            step("new", 1, &[1, 4]),
        ];
        check(&entries, &[], 4, &[]);
        check(&entries, &[], 3, &["old end"]);
        check(&entries, &[], 2, &["old", "old end"]);
        check(&entries, &[], 0, &["base", "new", "old", "old end"]);
    }

    #[test]
    fn what_an_image_has_costs_nothing_and_stays() {
        let entries = [step("a", 9, &[1]), step("b", 9, &[1, 2]), step("c", 1, &[5])];
        check(&entries, &[1, 2], 1, &[]);
        check(&entries, &[1, 2], 0, &["c"]);
        check(&entries, &[1], 1, &["b"]);
    }
}
