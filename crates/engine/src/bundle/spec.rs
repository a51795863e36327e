//! `spec`: writes a specification to begin with.

use std::path::{Path, PathBuf};

use oci::runtime::{
    Capabilities, DeviceRule, IdMapping, Linux, Mount, Namespace, NamespaceKind, Process, Resources, Rlimit,
    Root, SPEC_VERSION, Spec, User,
};
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};
use store::Durability;
use sys::Dir;

use super::home::CONFIG;
use crate::error::{Doing, Error, Result};

const CAPABILITIES: [&str; 3] = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

const MASKED: [&str; 10] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
];

const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Writes `config.json` into a bundle that has none. For a `rootless` one the ids are those of the owner.
pub fn write_spec(bundle: &Path, rootless: Option<(u32, u32)>) -> Result<()> {
    let dir = Dir::open(bundle)?;
    if dir.exists(CONFIG)? {
        return Err(Error::conflict(format!("File {CONFIG} exists in `{}`", bundle.display()))
            .hint("remove it first"));
    }
    let mut spec = example();
    if let Some((uid, gid)) = rootless {
        make_rootless(&mut spec, uid, gid);
    }
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, PrettyFormatter::with_indent(b"\t"));
    spec.serialize(&mut serializer)
        .map_err(|error| Error::invalid("cannot encode the specification").caused_by(error))?;
    bytes.push(b'\n');
    let what = || format!("cannot write `{}`", bundle.join(CONFIG).display());
    store::write_atomic(&dir, CONFIG, &bytes, Durability::Synced).doing(what)?;
    Ok(dir.chmod(CONFIG, 0o644)?)
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn example() -> Spec {
    let capabilities = texts(&CAPABILITIES);
    let namespaces = [
        NamespaceKind::Pid,
        NamespaceKind::Network,
        NamespaceKind::Ipc,
        NamespaceKind::Uts,
        NamespaceKind::Mount,
        NamespaceKind::Cgroup,
    ];
    Spec {
        oci_version: SPEC_VERSION.to_owned(),
        process: Some(Process {
            terminal: true,
            user: User::default(),
            args: texts(&["sh"]),
            env: texts(&["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"]),
            cwd: "/".into(),
            capabilities: Some(Capabilities {
                bounding: capabilities.clone(),
                effective: capabilities.clone(),
                permitted: capabilities,
                ..Capabilities::default()
            }),
            rlimits: vec![Rlimit { kind: "RLIMIT_NOFILE".to_owned(), soft: 1024, hard: 1024 }],
            no_new_privileges: true,
            ..Process::default()
        }),
        root: Some(Root { path: "rootfs".into(), readonly: true }),
        hostname: Some("coracle".to_owned()),
        mounts: mounts(),
        linux: Some(Linux {
            resources: Some(Resources {
                devices: vec![DeviceRule {
                    allow: false,
                    access: Some("rwm".to_owned()),
                    ..DeviceRule::default()
                }],
                ..Resources::default()
            }),
            namespaces: namespaces.map(|kind| Namespace { kind, path: None }).to_vec(),
            masked_paths: texts(&MASKED),
            readonly_paths: texts(&READ_ONLY),
            ..Linux::default()
        }),
        ..Spec::default()
    }
}

fn mounts() -> Vec<Mount> {
    let mount = |destination: &str, kind: &str, source: &str, options: &[&str]| Mount {
        destination: destination.into(),
        kind: Some(kind.to_owned()),
        source: Some(PathBuf::from(source)),
        options: texts(options),
        ..Mount::default()
    };
    vec![
        mount("/proc", "proc", "proc", &[]),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        mount("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
        mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]),
    ]
}

/// Gives the container a user namespace in which its owner is root, and takes away what such a one cannot have.
fn make_rootless(spec: &mut Spec, uid: u32, gid: u32) {
    let Some(linux) = spec.linux.as_mut() else { return };
    linux.resources = None;
    linux.namespaces.retain(|namespace| namespace.kind != NamespaceKind::Network);
    linux.namespaces.push(Namespace { kind: NamespaceKind::User, path: None });
    linux.uid_mappings = vec![IdMapping { container_id: 0, host_id: uid, size: 1 }];
    linux.gid_mappings = vec![IdMapping { container_id: 0, host_id: gid, size: 1 }];
    spec.mounts.retain(|mount| mount.destination != Path::new("/sys/fs/cgroup"));
    for mount in &mut spec.mounts {
        mount.options.retain(|option| !option.starts_with("gid="));
        if mount.destination == Path::new("/sys") {
            // sysfs shows the devices of a network namespace, which is then the host's.
            mount.kind = Some("none".to_owned());
            mount.source = Some("/sys".into());
            mount.options = texts(&["rbind", "nosuid", "noexec", "nodev", "ro"]);
        }
    }
}
