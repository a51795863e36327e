//! Docker's defaults: capabilities, protected paths, devices of privileged containers.

use oci::runtime::Device;
use rustix::fs::FileType;
use sys::Dir;
use sys::credentials::CAPABILITIES;

use crate::error::Result;
use crate::request::{Capability, Security, Unmask};

/// The capabilities of a container by default.
const DEFAULT_CAPABILITIES: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// Paths that tell about, or reach, the host.
const MASKED: [&str; 12] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Returns the bounding set: all where privileged, else the default with what was added and dropped.
pub(crate) fn capabilities(security: &Security) -> Vec<String> {
    let adds_all = security.cap_add.contains(&Capability::All) || security.privileged;
    let drops_all = security.cap_drop.contains(&Capability::All) && !security.privileged;
    let named = |list: &[Capability], name: &str| {
        list.iter().any(|capability| matches!(capability, Capability::Named(known) if known == name))
    };
    CAPABILITIES
        .iter()
        .filter(|name| {
            let by_default = adds_all || (!drops_all && DEFAULT_CAPABILITIES.contains(*name));
            let added = named(&security.cap_add, name);
            let dropped = named(&security.cap_drop, name) && !security.privileged;
            (by_default || added) && !dropped
        })
        .map(|name| (*name).to_owned())
        .collect()
}

/// Returns masked and read-only paths.
pub(crate) fn protected_paths(security: &Security) -> (Vec<String>, Vec<String>) {
    if security.privileged || security.unmask == Unmask::All {
        return (security.mask.iter().map(|path| path.display().to_string()).collect(), Vec::new());
    }
    let open = |path: &&str| match &security.unmask {
        Unmask::Paths(patterns) => patterns.iter().any(|pattern| matches(pattern, path)),
        _ => false,
    };
    let mut masked: Vec<String> = MASKED.iter().filter(|path| !open(path)).map(ToString::to_string).collect();
    masked.extend(security.mask.iter().map(|path| path.display().to_string()));
    let read_only = READ_ONLY.iter().filter(|path| !open(path)).map(ToString::to_string).collect();
    (masked, read_only)
}

/// A pattern is a path, or ends in `*`.
fn matches(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => path == pattern,
    }
}

/// Lists the host's devices for a privileged container, without those every container has of its own.
pub(super) fn host_devices() -> Result<Vec<Device>> {
    const OWN: [&str; 13] = [
        "pts",
        "shm",
        "fd",
        "mqueue",
        ".lxc",
        ".lxd-mounts",
        ".udev",
        "console",
        "ptmx",
        "stdin",
        "stdout",
        "stderr",
        "core",
    ];
    let mut devices = Vec::new();
    let mut left = vec![std::path::PathBuf::from("/dev")];
    while let Some(directory) = left.pop() {
        let Ok(dir) = Dir::open(&directory) else { continue };
        for entry in dir.list(".")? {
            if directory.as_os_str() == "/dev" && OWN.iter().any(|own| entry.name == *own) {
                continue;
            }
            let path = directory.join(&entry.name);
            match entry.kind {
                FileType::Directory => left.push(path),
                FileType::CharacterDevice | FileType::BlockDevice => devices.extend(device_at(&path)),
                _ => {}
            }
        }
    }
    Ok(devices)
}

/// Describes a device node of the host.
pub(super) fn device_at(path: &std::path::Path) -> Option<Device> {
    let stat = rustix::fs::stat(path).ok()?;
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::CharacterDevice => "c",
        FileType::BlockDevice => "b",
        _ => return None,
    };
    Some(Device {
        path: path.to_owned(),
        kind: kind.to_owned(),
        major: rustix::fs::major(stat.st_rdev).into(),
        minor: rustix::fs::minor(stat.st_rdev).into(),
        file_mode: Some(stat.st_mode & 0o7777),
        uid: Some(0),
        gid: Some(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Capability {
        Capability::Named(name.to_owned())
    }

    #[test]
    fn dropping_all_keeps_only_what_is_added() {
        let security = Security {
            cap_add: vec![named("CAP_NET_ADMIN")],
            cap_drop: vec![Capability::All],
            ..Security::default()
        };
        assert_eq!(capabilities(&security), ["CAP_NET_ADMIN"]);
    }

    #[test]
    fn one_of_all_can_be_dropped() {
        let security = Security {
            cap_add: vec![Capability::All],
            cap_drop: vec![named("CAP_SYS_ADMIN")],
            ..Security::default()
        };
        let set = capabilities(&security);
        assert_eq!(set.len(), CAPABILITIES.len() - 1);
        assert!(!set.contains(&"CAP_SYS_ADMIN".to_owned()));
    }

    #[test]
    fn unmasking_by_pattern_opens_only_those() {
        let security = Security { unmask: Unmask::Paths(vec!["/proc/*".into()]), ..Security::default() };
        let (masked, read_only) = protected_paths(&security);
        assert_eq!(masked, ["/sys/firmware", "/sys/devices/virtual/powercap"]);
        assert!(read_only.is_empty());
    }
}
