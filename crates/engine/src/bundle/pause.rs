//! `pause` and `resume`: stops all processes where they are, and lets them run on.

use oci::runtime::Status;

use super::home::{Container, Runtime};
use crate::error::{Error, Result};

/// Pauses a created or running container.
pub fn pause(runtime: &Runtime, id: &str) -> Result<()> {
    let container = runtime.find(id)?;
    if container.must_run("pause")? == Status::Paused {
        return Err(Error::conflict(format!(
            "cannot pause container `{id}`: container not running: it is paused"
        )));
    }
    Ok(group(&container)?.freeze()?)
}

/// Resumes a paused container.
pub fn resume(runtime: &Runtime, id: &str) -> Result<()> {
    let container = runtime.find(id)?;
    let status = container.status()?;
    if status != Status::Paused {
        return Err(Error::conflict(format!(
            "cannot resume container `{id}`: container not paused: it is {status}"
        )));
    }
    Ok(group(&container)?.thaw()?)
}

fn group(container: &Container) -> Result<cgroup::Group> {
    let id = &container.record.id;
    container.record.group().ok_or_else(|| {
        Error::unsupported(format!("cannot pause container `{id}`: it has no cgroup"))
            .hint("run as root with a writable /sys/fs/cgroup")
    })
}
