//! The layers of a new image that the store lacks: made several at a time, and each by one of those who want it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use oci::digest::{ChainId, DiffId};

use crate::commit::StagedLayer;
use crate::hash::chain_ids;
use crate::layer::Applied;
use crate::record::LayerRecord;
use crate::root::{NamedLock, Workspace};
use crate::{Images, Result};

/// Layers that are extracted at the same time; each has three threads of its own.
const WORKERS_MAX: usize = 4;

/// Which layers are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Those that the store does not have.
    Missing,
    /// All: one that was there has been removed while we worked, and the others may be next.
    All,
}

/// The layers of one image, and where they are made.
#[derive(Debug)]
pub(crate) struct Assembly<'a> {
    images: &'a Images,
    workspace: &'a Workspace,
    chain_ids: Vec<ChainId>,
    workers: usize,
}

/// How many layers are worth extracting at a time here.
pub(crate) fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX)
}

impl<'a> Assembly<'a> {
    pub(crate) fn new(
        images: &'a Images,
        workspace: &'a Workspace,
        diff_ids: &[DiffId],
        workers: usize,
    ) -> Self {
        Self { images, workspace, chain_ids: chain_ids(diff_ids), workers }
    }

    /// Makes layers that are not staged yet; `extract` fills the directory of this name with the layer of
    /// this number, and checks that it is the right one.
    pub(crate) fn make(
        &self,
        extent: Extent,
        staged: &mut Vec<StagedLayer>,
        extract: &(dyn Fn(usize, &str) -> Result<Applied> + Sync),
    ) -> Result<()> {
        // Whoever comes again goes without locks: to take one that lies below those it holds would be to
        // wait for somebody who goes from the bottom up. Two may make the same layer then; one is kept.
        staged.iter_mut().for_each(|layer| layer.lock = None);
        let mut missing = Vec::new();
        // From the lowest layer up: images that share layers share the lowest ones, so that two
        // can wait for each other in one order alone.
        for (index, chain_id) in self.chain_ids.iter().enumerate() {
            let is_staged = staged.iter().any(|layer| layer.record.chain_id == *chain_id);
            if is_staged || extent == Extent::Missing && self.images.layer(chain_id)?.is_some() {
                continue;
            }
            let lock = match extent {
                Extent::Missing => Some(self.images.lock_layer(&chain_id.hex())?),
                Extent::All => None,
            };
            // Unless somebody else has made it while we waited.
            if lock.is_none() || self.images.layer(chain_id)?.is_none() {
                missing.push(Mutex::new(Some((index, lock))));
            }
        }
        let make = |slot: &Mutex<Option<(usize, Option<NamedLock>)>>| {
            let (index, lock) = slot.lock().expect("no holder panics").take().expect("each is taken once");
            let chain_id = self.chain_ids[index];
            let name = format!("layer-{}", chain_id.hex());
            let applied = extract(index, &name)?;
            let parent = index.checked_sub(1).map(|below| self.chain_ids[below]);
            let record = self.workspace.describe(&name, &applied, chain_id, parent)?;
            Ok(StagedLayer { record, name, lock })
        };
        for layer in in_parallel(&missing, self.workers, make) {
            staged.push(layer?);
        }
        Ok(())
    }

    /// Returns the records of all layers; `None` where one has vanished meanwhile.
    pub(crate) fn records(&self, staged: &[StagedLayer]) -> Result<Option<Vec<LayerRecord>>> {
        let mut records = Vec::with_capacity(self.chain_ids.len());
        for chain_id in &self.chain_ids {
            let made = staged.iter().find(|layer| layer.record.chain_id == *chain_id);
            match made
                .map(|layer| layer.record.clone())
                .map_or_else(|| self.images.layer(chain_id), |made| Ok(Some(made)))?
            {
                Some(record) => records.push(record),
                None => return Ok(None),
            }
        }
        Ok(Some(records))
    }
}

/// Runs `make` over all items on a few threads; the results are in order, up to the first failure.
pub(crate) fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    workers: usize,
    make: impl Fn(&T) -> Result<R> + Sync,
) -> Vec<Result<R>> {
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<Result<R>>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return };
            let result = make(item);
            if result.is_err() {
                // The others need not begin.
                next.store(items.len(), Ordering::Relaxed);
            }
            *results[index].lock().expect("no holder panics") = Some(result);
        }
    };
    std::thread::scope(|threads| {
        for _ in 1..workers.min(items.len()) {
            threads.spawn(work);
        }
        work();
    });
    results.into_iter().filter_map(|result| result.into_inner().expect("no holder panics")).collect()
}
