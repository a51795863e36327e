//! Clocks of a new time namespace that are not the host's (time_namespaces(7)).

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::Path;

use oci::runtime::TimeOffset;
use rustix::fs::{Mode, OFlags};
use sys::Context;
use sys::process::{self, NEWTIME};

use crate::error::{Failure, Result};
use crate::plan::invalid;

/// Parses the offsets into the lines of `/proc/self/timens_offsets`; nothing where there are none.
pub(crate) fn plan_time_offsets(
    offsets: &BTreeMap<String, TimeOffset>,
    new_namespaces: u64,
) -> Result<String> {
    if !offsets.is_empty() && new_namespaces & NEWTIME == 0 {
        return Err(invalid("timeOffsets need a new time namespace"));
    }
    let mut lines = String::new();
    for (clock, TimeOffset { secs, nanosecs }) in offsets {
        if !["monotonic", "boottime"].contains(&clock.as_str()) {
            return Err(invalid(format!("unknown clock `{clock}` in timeOffsets")));
        }
        if *nanosecs >= 1_000_000_000 {
            return Err(invalid(format!("timeOffsets: {nanosecs} nanoseconds are a second or more")));
        }
        lines.push_str(&format!("{clock} {secs} {nanosecs}\n"));
    }
    Ok(lines)
}

/// Makes a time namespace for the children of this process. The offsets of a namespace that has a process are fixed,
/// so that init cannot set its own; a namespace that it is born into begins with those of its parent's.
pub(crate) fn apply(lines: &str) -> Result<(), Failure> {
    if lines.is_empty() {
        return Ok(());
    }
    process::unshare(NEWTIME)?;
    sys::fs::write("/proc/self/timens_offsets", lines)
        .map_err(|error| Failure::from(error).during("cannot set timeOffsets"))
}

/// Gives children of this process its own time namespace again. While they would get another one, Linux 6.1 makes none
/// that shares our memory (copy_process() in kernel/fork.c), as the helpers of [`process::in_child_namespace`] do.
pub(crate) fn leave(lines: &str) -> Result<(), Failure> {
    if lines.is_empty() {
        return Ok(());
    }
    let path = Path::new("/proc/self/ns/time");
    let own =
        rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).on_path("open", path)?;
    Ok(process::join_namespaces(own.as_fd(), NEWTIME)?)
}
