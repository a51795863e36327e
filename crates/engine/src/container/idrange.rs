//! Leases of host id ranges, one or more slots of 65,536 ids a container, while it runs.
//!
//! The pool is 0x7000_0000 to 0x7FFD_FFFF first, which systemd's UIDS-GIDS document lists as free
//! of everything, and above 2^31 when that is full; both are clear of what /etc/subuid hands out by default.

use std::path::PathBuf;

use store::Durability;
use sys::Dir;

use crate::error::{Error, Result};
use crate::paths::Engine;

/// Ids in one slot.
pub(crate) const LEASE_SIZE: u32 = 65_536;
/// The widest range: each slot costs a file at every start, and an image must not make a start cost seconds.
const SLOTS_MAX: u32 = 1024;
const LOW: std::ops::Range<u32> = 0x7000..0x7FFE;
const HIGH: std::ops::Range<u32> = 0x8000..0xFFFE;

/// A leased range.
#[derive(Debug)]
pub(crate) struct IdRange {
    pub(crate) base: u32,
    pub(crate) size: u32,
    /// The lease files, to be removed when the container has ended.
    pub(crate) files: Vec<PathBuf>,
}

/// Leases a range wide enough for `highest`, the largest id that image or user need.
pub(crate) fn lease(engine: &Engine, owner: &str, highest: u32) -> Result<IdRange> {
    let slots = highest / LEASE_SIZE + 1;
    if slots > SLOTS_MAX {
        return Err(Error::unsupported(format!(
            "id {highest} of the image or user is too large for a user namespace of its own, which has {} ids at most",
            SLOTS_MAX * LEASE_SIZE
        ))
        .hint("use --userns=host, or give the files smaller ids"));
    }
    let directory = Dir::open(engine.ids())?;
    // Start at a place of the owner's own, so that parallel starts do not try the same slots.
    let seed = u32::from_str_radix(&owner[..8], 16).unwrap_or(0);
    for pool in [LOW, HIGH] {
        let places = pool.end - pool.start;
        if slots > places {
            continue;
        }
        let mut offset = 0;
        while offset < places {
            let first = pool.start + (seed % places + offset) % places;
            if first + slots > pool.end {
                offset += pool.end - first;
                continue;
            }
            match claim_slots(&directory, first, slots, owner)? {
                None => {
                    let files =
                        (first..first + slots).map(|slot| engine.ids().join(slot.to_string())).collect();
                    return Ok(IdRange { base: first << 16, size: slots * LEASE_SIZE, files });
                }
                Some(taken) => offset += taken + 1,
            }
        }
    }
    Err(Error::new(
        oci::class::Class::Unavailable,
        format!(
            "no free range of {} user ids is left, which id {highest} of the image or user needs",
            u64::from(slots) * u64::from(LEASE_SIZE)
        ),
    )
    .hint("stop some containers, or use --userns=host"))
}

/// Claims consecutive slots, or none; returns the offset of one that is taken.
fn claim_slots(directory: &Dir, first: u32, slots: u32, owner: &str) -> Result<Option<u32>> {
    for index in 0..slots {
        match store::claim(directory, &(first + index).to_string(), owner, Durability::Volatile) {
            Ok(()) => {}
            Err(store::Error::Taken { .. }) => {
                for undo in 0..index {
                    store::release(directory, &(first + undo).to_string(), owner, Durability::Volatile)?;
                }
                return Ok(Some(index));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Gives back every slot of an owner.
pub(crate) fn release(engine: &Engine, owner: &str) -> Result<()> {
    let directory = Dir::open(engine.ids())?;
    for claim in store::claims(&directory)?.iter().filter(|claim| claim.owner == owner) {
        store::release(&directory, &claim.name, owner, Durability::Volatile)?;
    }
    Ok(())
}

/// Returns all leases with their owners, for the audit.
pub(crate) fn lease_owner(engine: &Engine) -> Result<Vec<store::Claim>> {
    Ok(store::claims(Dir::open(engine.ids())?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::{EngineConfig, Firewall};

    fn engine(directory: &std::path::Path) -> Engine {
        let config = EngineConfig {
            root: directory.join("root"),
            run_root: directory.join("run"),
            firewall: Firewall::Engine,
            build: crate::build::BuildPolicy::default(),
        };
        Engine::open(config).unwrap()
    }

    #[test]
    fn two_owners_never_share_a_slot() {
        let directory = tempfile::tempdir().unwrap();
        let engine = engine(directory.path());
        let a = lease(&engine, "00000001ff", 0).unwrap();
        let b = lease(&engine, "00000001ee", 0).unwrap();
        assert_ne!(a.base, b.base);
        assert_eq!((a.size, a.base % LEASE_SIZE), (LEASE_SIZE, 0));
    }

    #[test]
    fn an_id_that_would_cost_thousands_of_files_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let engine = engine(directory.path());
        assert_eq!(lease(&engine, "0000000100", 67_108_863).unwrap().files.len(), 1024);
        let error = lease(&engine, "0000000200", 67_108_864).unwrap_err();
        assert!(error.to_string().starts_with("id 67108864 of the image or user is too large"), "{error}");
        assert_eq!(lease_owner(&engine).unwrap().len(), 1024);
    }

    #[test]
    fn a_wide_range_takes_consecutive_slots_past_a_taken_one() {
        let directory = tempfile::tempdir().unwrap();
        let engine = engine(directory.path());
        let taken = lease(&engine, "0000000200", 0).unwrap();
        let wide = lease(&engine, "0000000100", 200_000).unwrap();
        assert_eq!((wide.size, wide.files.len()), (4 * LEASE_SIZE, 4));
        assert!(wide.base + wide.size <= taken.base || wide.base >= taken.base + taken.size);
    }

    #[test]
    fn parallel_leases_share_nothing_and_a_stale_owner_gives_all_back() {
        let directory = tempfile::tempdir().unwrap();
        let engine = engine(directory.path());
        // The same start of the search for all, so that they are in each other's way.
        let owners: Vec<String> = (0..8).map(|number| format!("00000100{number:02}")).collect();
        let leases: Vec<IdRange> = std::thread::scope(|scope| {
            let engine = &engine;
            let start = |owner| scope.spawn(move || lease(engine, owner, 150_000).unwrap());
            let threads: Vec<_> = owners.iter().map(String::as_str).map(start).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let mut starts: Vec<u32> = leases.iter().map(|lease| lease.base).collect();
        starts.sort_unstable();
        assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= 3 * LEASE_SIZE), "{starts:x?}");
        assert_eq!(lease_owner(&engine).unwrap().len(), 8 * 3);
        // Its container is gone, its files are not: nobody else's are touched.
        release(&engine, &owners[3]).unwrap();
        let left = lease_owner(&engine).unwrap();
        assert!(left.len() == 7 * 3 && left.iter().all(|claim| claim.owner != owners[3]));
    }
}
