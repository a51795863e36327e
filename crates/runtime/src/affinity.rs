//! The processors of a further process: before it is in the container's cgroup, and in it.

use oci::runtime::CpuAffinity;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use sys::Context;

use crate::error::{Error, Failure, Result};
use crate::plan::invalid;

/// The two sets, where there are any.
#[derive(Debug, Clone, Default)]
pub(crate) struct Affinity {
    initial: Option<CpuSet>,
    last: Option<CpuSet>,
}

/// Checks the lists.
pub(crate) fn plan_affinity(affinity: Option<&CpuAffinity>) -> Result<Affinity> {
    let Some(affinity) = affinity else { return Ok(Affinity::default()) };
    let set = |name: &str, list: &Option<String>| {
        let Some(list) = list.as_deref().filter(|list| !list.trim().is_empty()) else { return Ok(None) };
        let numbers =
            crate::lists::numbers(list, CpuSet::MAX_CPU).filter(|numbers| !numbers.is_empty()).ok_or_else(
                || invalid(format!("execCPUAffinity.{name}: `{list}` is not a list of processors")),
            )?;
        let mut set = CpuSet::new();
        numbers.into_iter().for_each(|number| set.set(number));
        Ok::<_, Error>(Some(set))
    };
    Ok(Affinity { initial: set("initial", &affinity.initial)?, last: set("final", &affinity.r#final)? })
}

impl Affinity {
    /// Runs something that makes a process with the first set: it is born into the cgroup.
    pub(crate) fn initially<T>(&self, make: impl FnOnce() -> T) -> Result<T> {
        let Some(set) = &self.initial else { return Ok(make()) };
        let before = sched_getaffinity(None).context(|| "cannot read the CPU affinity".into())?;
        sched_setaffinity(None, set).context(|| "cannot set execCPUAffinity.initial".into())?;
        let made = make();
        // The process is there: should the caller stay where it is now, it has only less to run on.
        let _ = sched_setaffinity(None, &before);
        Ok(made)
    }

    /// Takes on the second set.
    pub(crate) fn finally(&self) -> Result<(), Failure> {
        if let Some(set) = &self.last {
            sched_setaffinity(None, set).context(|| "cannot set execCPUAffinity.final".into())?;
        }
        Ok(())
    }
}
