//! All containers at once: each is a handful of small files, so several threads read them.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sys::Dir;

use super::find::Container;
use crate::error::Result;
use crate::paths::Engine;

/// How many containers are worth a further thread: reading one takes some twenty microseconds.
const WORTH_A_THREAD: usize = 32;

/// Which containers are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    All,
    /// Those that run or are about to be started again. Of the others nothing is read but what tells that.
    Running,
}

/// Returns all ids on disk.
pub(crate) fn ids(engine: &Engine) -> Result<Vec<String>> {
    ids_in(&engine.containers())
}

/// Reads all containers, in no order; one that vanishes meanwhile is left out.
pub(crate) fn all(engine: &Engine) -> Result<Vec<Container>> {
    each(engine, Scope::All, |container| Ok(Some(container)))
}

/// Reads containers, in no order, and makes something of each that is wanted. What is not kept does not add up: a
/// container is ten times as large as a line that tells of it.
pub(super) fn each<T: Send>(
    engine: &Engine,
    scope: Scope,
    make: impl Fn(Container) -> Result<Option<T>> + Sync,
) -> Result<Vec<T>> {
    let ids = match scope {
        Scope::All => ids(engine)?,
        // What has not run in this boot has no directory there.
        Scope::Running => ids_in(&engine.run_root().join("containers"))?,
    };
    let load = |id: &String| match scope {
        Scope::All => Container::load(engine, id),
        Scope::Running => Container::load_running(engine, id),
    };
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<T>> {
        let mut made = Vec::new();
        while let Some(id) = ids.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Some(container) = load(id)? {
                made.extend(make(container)?);
            }
        }
        Ok(made)
    };
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let helpers = processors.min(ids.len() / WORTH_A_THREAD).saturating_sub(1);
    thread::scope(|scope| {
        let helping: Vec<_> = (0..helpers).map(|_| scope.spawn(work)).collect();
        let mut made = work()?;
        for helper in helping {
            made.extend(helper.join().expect("reading a container does not panic")?);
        }
        Ok(made)
    })
}

fn ids_in(directory: &std::path::Path) -> Result<Vec<String>> {
    let entries = Dir::open(directory)?.list(".")?;
    let names = entries.into_iter().filter_map(|entry| entry.name.into_string().ok());
    Ok(names.filter(|name| name.len() == 64).collect())
}
