//! `ps`: the processes of a container as the host sees them.

use super::home::Runtime;
use crate::error::Result;
use crate::processes::{self, ProcessRow};

/// Returns the processes of a container, by pid; of a stopped one there are none.
pub fn ps(runtime: &Runtime, id: &str) -> Result<Vec<ProcessRow>> {
    let container = runtime.find(id)?;
    let mut pids = Vec::new();
    match container.record.group() {
        Some(group) => pids.extend(group.processes()?.iter().map(|pid| pid.as_raw_nonzero().get())),
        None if container.record.open_process().is_some() => pids.push(container.record.pid),
        None => {}
    }
    Ok(pids.into_iter().filter_map(processes::row).collect())
}
