//! One mount of a specification → its step.

use oci::runtime::Mount;

use super::{guest_path, invalid};
use crate::error::Result;
use crate::options::{IdmapOption, parse_options};
use crate::step::{Idmap, MountStep, Source};

pub(super) fn mount_step(mount: &Mount, own_user_namespace: bool) -> Result<MountStep> {
    let options = parse_options(&mount.options);
    let kind = mount.kind.as_deref().unwrap_or("none");
    let source = if let Some(layers) = &mount.layers {
        Source::Image { layers: layers.clone(), subpath: mount.subpath.clone() }
    } else if options.remount {
        // As in mount(8), one mount alone changes where `bind` stands beside it.
        Source::Remount { options: if options.bind { Vec::new() } else { options.data.clone() } }
    } else if options.bind || kind == "bind" {
        let path = mount
            .source
            .clone()
            .ok_or_else(|| invalid(format!("bind mount on {} has no source", mount.destination.display())))?;
        Source::Bind { path, recursive: options.recursive_bind, subpath: mount.subpath.clone() }
    } else {
        match kind {
            "proc" => Source::Proc { options: options.data.clone() },
            "sysfs" => Source::Sysfs { options: options.data.clone() },
            "mqueue" => Source::Mqueue { options: options.data.clone() },
            "devpts" => Source::Devpts { options: options.data.clone() },
            "cgroup" | "cgroup2" => Source::Cgroup,
            "none" => return Err(invalid(format!("mount on {} has no type", mount.destination.display()))),
            other => Source::New {
                kind: other.to_owned(),
                source: mount
                    .source
                    .as_ref()
                    .map_or_else(|| other.to_owned(), |s| s.to_string_lossy().into_owned()),
                options: options.data.clone(),
            },
        }
    };
    if mount.uid_mappings.is_empty() != mount.gid_mappings.is_empty() {
        let place = mount.destination.display();
        return Err(invalid(format!("mount on {place} needs uidMappings and gidMappings, or neither")));
    }
    let idmap = match options.idmap {
        Some(IdmapOption::Container) if own_user_namespace => Idmap::Container,
        Some(IdmapOption::Owner) if own_user_namespace => Idmap::Owner,
        Some(IdmapOption::Explicit { recursive }) if mount.uid_mappings.is_empty() => {
            Idmap::Explicit { uid: Vec::new(), gid: Vec::new(), recursive }
        }
        option if !mount.uid_mappings.is_empty() => Idmap::Explicit {
            uid: mount.uid_mappings.clone(),
            gid: mount.gid_mappings.clone(),
            recursive: matches!(option, Some(IdmapOption::Explicit { recursive: true })),
        },
        _ => Idmap::No,
    };
    Ok(MountStep {
        destination: guest_path(&mount.destination)?,
        source,
        set: options.set,
        clear: options.clear,
        recursive_set: options.recursive_set,
        recursive_clear: options.recursive_clear,
        propagation: options.propagation,
        propagation_recursive: options.propagation_recursive,
        idmap,
    })
}
