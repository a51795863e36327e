//! The container's cgroup: made with its limits before anything runs in it, found again by a successor.

use std::os::fd::AsFd;

use crate::guardian::Holdings;
use crate::job::Job;

/// Finds the group that a predecessor has made.
pub(super) fn open(job: &Job, holdings: &Holdings) -> Option<cgroup::Group> {
    let path = cgroup::CgroupPath::parse(job.cgroup.as_ref()?).ok()?;
    cgroup::Group::open(holdings.hierarchies.as_ref()?, &path).ok()
}

pub(super) type GroupAndWarnings = (Option<cgroup::Group>, Vec<String>);

/// Makes the container's cgroup with all limits but that of processes, which the builder would
/// count against.
pub(super) fn create(job: &Job, holdings: &Holdings) -> Result<GroupAndWarnings, LimitError> {
    let Some(path) = &job.cgroup else { return Ok((None, Vec::new())) };
    let hierarchies = match &holdings.hierarchies {
        Some(known) => known.clone(),
        None => cgroup::Hierarchies::detect()?,
    };
    let group = cgroup::Group::create(&hierarchies, &cgroup::CgroupPath::parse(path)?)?;
    if let Some(warning) = group.unavailable() {
        return Ok((None, vec![warning.to_string()]));
    }
    match limit(&group, &job.resources) {
        Ok(warnings) => {
            let warnings = warnings.iter().map(ToString::to_string).collect();
            Ok((Some(group), warnings))
        }
        Err(error) => {
            let _ = group.destroy();
            Err(error)
        }
    }
}

/// Writes the limits, and on v2 the device filter.
fn limit(
    group: &cgroup::Group,
    resources: &oci::runtime::Resources,
) -> Result<Vec<cgroup::Warning>, LimitError> {
    let warnings = group.apply_except_pids(resources)?;
    if !resources.devices.is_empty()
        && group.needs_device_program()
        && let Some(directory) = group.v2_fd()
    {
        let program = sys::bpf::load_cgroup_device(&cgroup::device_program(&resources.devices)?)?;
        sys::bpf::attach_cgroup_device(program.as_fd(), directory, None)?;
    }
    Ok(warnings)
}

/// Why limits could not be set.
#[derive(Debug, thiserror::Error)]
pub(super) enum LimitError {
    #[error(transparent)]
    Cgroup(#[from] cgroup::Error),
    #[error("cannot restrict the container's devices")]
    Devices(#[from] sys::Error),
}
