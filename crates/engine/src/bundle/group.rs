//! The container's cgroup: where it lies, its limits, and how later verbs find it again.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::Path;

use oci::runtime::{Linux, Mount, NamespaceKind, Resources, Spec};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::system::is_initial_user_namespace;

/// Makes the group that a specification names, with all limits but that of processes; `owner` are ids of the host.
pub(super) fn make(
    id: &str,
    linux: &Linux,
    owner: Option<(u32, u32)>,
) -> Result<(Option<cgroup::Group>, Vec<String>)> {
    // Without a path the container is named by its id, below the caller's own group, as with runc.
    let path = linux.cgroups_path.as_deref().filter(|path| !path.is_empty()).unwrap_or(id);
    let path = cgroup::CgroupPath::parse(path)?;
    let group = cgroup::Group::create(&cgroup::Hierarchies::detect()?, &path)?;
    if let Some(warning) = group.unavailable() {
        return Ok((None, vec![warning.to_string()]));
    }
    let limited = limit(&group, &resources(linux)).and_then(|warnings| {
        // Of cgroup v1 no part can be given away safely.
        if let (Some((uid, gid)), true) = (owner, group.paths().keys().all(|label| label == "unified")) {
            group.delegate(uid, gid)?;
        }
        Ok(warnings)
    });
    match limited {
        Ok(warnings) => Ok((Some(group), warnings.iter().map(ToString::to_string).collect())),
        Err(error) => {
            let _ = group.destroy();
            Err(error)
        }
    }
}

/// The limits asked for; devices that every container has are allowed whatever the rules say, and what no rule
/// covers is denied.
fn resources(linux: &Linux) -> Resources {
    let mut resources = linux.resources.clone().unwrap_or_default();
    resources.devices.extend(cgroup::default_devices());
    resources
}

fn limit(group: &cgroup::Group, resources: &Resources) -> Result<Vec<cgroup::Warning>> {
    let warnings = group.apply_except_pids(resources)?;
    if group.needs_device_program()
        && let Some(directory) = group.v2_fd()
    {
        match sys::bpf::load_cgroup_device(&cgroup::device_program(&resources.devices)?) {
            Ok(program) => sys::bpf::attach_cgroup_device(program.as_fd(), directory, None)?,
            // Only who owns the machine loads programs. Root of a user namespace makes no device nodes (mknod(2)), and
            // none works in what it mounts; those that the host has and it binds are opened by its rights on the host.
            Err(error) if error.errno() == Some(Errno::PERM) && !is_initial_user_namespace() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(warnings)
}

/// Opens the group of a container.
pub(super) fn reopen(paths: &BTreeMap<String, String>) -> Option<cgroup::Group> {
    if paths.is_empty() {
        return None;
    }
    cgroup::Group::reopen(&cgroup::Hierarchies::detect().ok()?, paths).ok()
}

/// Opens the group for an exec: the container's, or below it as `--cgroup` says.
pub(super) fn for_exec(paths: &BTreeMap<String, String>, asked: &[String]) -> Result<Option<cgroup::Group>> {
    if asked.is_empty() || paths.is_empty() {
        return match asked.first() {
            Some(_) => Err(Error::conflict("--cgroup: the container has no cgroup")),
            None => Ok(reopen(paths)),
        };
    }
    let mut paths = paths.clone();
    for word in asked {
        let (controllers, below) = match word.split_once(':') {
            Some((controllers, below)) => (controllers.split(',').collect(), below),
            None => (Vec::new(), word.as_str()),
        };
        if below.split('/').any(|part| part == "..") {
            return Err(Error::invalid(format!("--cgroup: `{word}` leads out of the container's cgroup")));
        }
        let below = below.trim_matches('/');
        let mut found = controllers.is_empty();
        for (label, path) in &mut paths {
            let bare = label.trim_start_matches("name=");
            let named = bare.split(',').any(|name| controllers.contains(&name));
            if named || controllers.is_empty() {
                found = true;
                if !below.is_empty() {
                    *path = format!("{path}/{below}");
                }
                if !sys::fs::exists(&*path) {
                    return Err(Error::not_found(format!("--cgroup: there is no cgroup `{path}`")));
                }
            }
        }
        if !found {
            return Err(Error::invalid(format!("--cgroup: no hierarchy has the controllers of `{word}`")));
        }
    }
    Ok(reopen(&paths))
}

/// Whether the container may order its own cgroup: it sees it as the root and can write to it (runtime-spec 1.2,
/// "Cgroup ownership").
pub(super) fn is_its_own(spec: &Spec) -> bool {
    let namespaces = spec.linux.iter().flat_map(|linux| &linux.namespaces);
    let new = namespaces.into_iter().any(|ns| ns.kind == NamespaceKind::Cgroup && ns.path.is_none());
    let writable = |mount: &Mount| {
        matches!(mount.kind.as_deref(), Some("cgroup" | "cgroup2"))
            && mount.destination == Path::new("/sys/fs/cgroup")
            && !mount.options.iter().any(|option| option == "ro" || option == "rro")
    };
    new && spec.mounts.iter().any(writable)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_container_owns_the_cgroup_that_it_alone_sees_and_may_write() {
        let spec = |namespace: serde_json::Value, options: &[&str]| {
            let mount = json!({ "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": options });
            let spec = json!({ "mounts": [mount], "linux": { "namespaces": [namespace] } });
            serde_json::from_value::<Spec>(spec).unwrap()
        };
        assert!(is_its_own(&spec(json!({ "type": "cgroup" }), &["nosuid"])));
        assert!(!is_its_own(&spec(json!({ "type": "cgroup" }), &["nosuid", "ro"])));
        assert!(!is_its_own(&spec(json!({ "type": "cgroup", "path": "/proc/1/ns/cgroup" }), &[])));
        assert!(!is_its_own(&spec(json!({ "type": "uts" }), &[])));
    }
}
