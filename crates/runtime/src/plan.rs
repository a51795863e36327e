//! OCI spec → plan: pure, so that deciding is tested without a kernel.

mod mounts;
mod process;

use std::path::{Component, Path, PathBuf};

use oci::rootfs::Rootfs;
use oci::runtime::{IdMapping, Linux, NamespaceKind, Process, Spec};
use sys::process::{NEWCGROUP, NEWIPC, NEWNET, NEWPID, NEWTIME, NEWUSER, NEWUTS, namespace_names};

use crate::error::{Error, Result};
use crate::options::propagation;
use crate::step::{BuildStep, DeviceKind, InitStep, Plan, Program, Source};
use mounts::mount_step;
use process::init_steps;
use process::named;
pub(crate) use process::{process_steps, session_steps, shared_steps};

/// What a plan is made of besides the specification.
#[derive(Debug, Clone)]
pub struct PlanInput<'a> {
    pub spec: &'a Spec,
    pub rootfs: Rootfs,
    /// The compiled seccomp filter, with its load flags.
    pub seccomp: Option<(Vec<u8>, u32)>,
    /// Whether init waits for a start after everything is ready.
    pub gate: bool,
    /// Whether a missing working directory is made (Docker does, the specification does not).
    pub create_cwd: bool,
}

/// Device nodes that every container has (runtime-spec, "Default Devices").
const DEFAULT_DEVICES: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

/// Links that every container has (runtime-spec, "Dev symbolic links").
const DEFAULT_LINKS: [(&str, &str); 5] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/ptmx", "pts/ptmx"),
];

/// Decides every step of the start.
pub fn plan(input: PlanInput<'_>) -> Result<Plan> {
    let spec = input.spec;
    let linux = spec.linux.clone().unwrap_or_default();
    let process = spec.process.as_ref().ok_or_else(|| invalid("`process` is missing"))?;
    if process.args.is_empty() {
        return Err(invalid("`process.args` is empty"));
    }
    crate::refused::refuse(&linux)?;
    // Init has none (runtime-spec, "execCPUAffinity"); further processes will ask for it.
    crate::affinity::plan_affinity(process.exec_cpu_affinity.as_ref())?;
    let (new_namespaces, join) = namespaces(&linux)?;
    let own_user_namespace = new_namespaces & NEWUSER != 0 || join.iter().any(|(flag, _)| *flag == NEWUSER);
    let (root_uid, root_gid) = (
        host_id(&linux.uid_mappings, 0, own_user_namespace),
        host_id(&linux.gid_mappings, 0, own_user_namespace),
    );
    Ok(Plan {
        new_namespaces,
        prepare: prepare_steps(spec, new_namespaces, &join)?,
        join,
        uid_map: linux.uid_mappings.clone(),
        gid_map: linux.gid_mappings.clone(),
        root_uid,
        root_gid,
        user_uid: host_id(&linux.uid_mappings, process.user.uid, own_user_namespace),
        own_user_namespace,
        build: build_steps(spec, &linux, process, input.rootfs, own_user_namespace)?,
        init: init_steps(
            process,
            &linux,
            input.seccomp.as_ref(),
            input.create_cwd,
            input.gate,
            own_user_namespace,
        )?,
        mount_label: named(linux.mount_label.as_ref(), "linux.mountLabel")?.map(str::to_owned),
        listener: crate::listener::plan_listener(linux.seccomp.as_ref(), input.seccomp.as_ref())?,
        time_offsets: crate::time_offsets::plan_time_offsets(&linux.time_offsets, new_namespaces)?,
        program: Program { args: process.args.clone(), env: process.env.clone(), terminal: process.terminal },
        hooks: crate::hooks::plan_hooks(spec.hooks.as_ref())?,
    })
}

pub(crate) fn invalid(text: impl Into<String>) -> Error {
    Error::Invalid(text.into())
}

/// Returns the host's id of an id inside; one that is not mapped fails when it is taken on.
pub(crate) fn host_id(map: &[IdMapping], id: u32, own: bool) -> u32 {
    if !own {
        return id;
    }
    crate::ids::find(map, id).unwrap_or(0)
}

fn flag_of(kind: NamespaceKind) -> u64 {
    match kind {
        NamespaceKind::Pid => NEWPID,
        NamespaceKind::Network => NEWNET,
        NamespaceKind::Mount => sys::process::NEWNS,
        NamespaceKind::Ipc => NEWIPC,
        NamespaceKind::Uts => NEWUTS,
        NamespaceKind::User => NEWUSER,
        NamespaceKind::Cgroup => NEWCGROUP,
        NamespaceKind::Time => NEWTIME,
    }
}

/// Splits the namespaces into those to make and those to join.
fn namespaces(linux: &Linux) -> Result<(u64, Vec<(u64, PathBuf)>)> {
    let mut create = 0;
    let mut join = Vec::new();
    let mut mount = false;
    let mut seen = 0;
    for namespace in &linux.namespaces {
        let flag = flag_of(namespace.kind);
        if seen & flag != 0 {
            return Err(invalid(format!("namespace `{}` is listed twice", namespace_names(flag))));
        }
        seen |= flag;
        match (&namespace.path, namespace.kind) {
            (None, NamespaceKind::Mount) => mount = true,
            (Some(_), NamespaceKind::Mount) => {
                return Err(Error::Unsupported(
                    "joining a mount namespace is not supported: every container gets its own".into(),
                ));
            }
            (None, _) => create |= flag,
            (Some(path), _) => join.push((flag, path.clone())),
        }
    }
    if !mount {
        return Err(Error::Unsupported(
            "a container without a mount namespace is not supported: add `{\"type\": \"mount\"}` to linux.namespaces".into(),
        ));
    }
    if create & NEWUSER != 0 && (linux.uid_mappings.is_empty() || linux.gid_mappings.is_empty()) {
        return Err(invalid("a new user namespace needs uidMappings and gidMappings"));
    }
    if seen & NEWUSER == 0 && !(linux.uid_mappings.is_empty() && linux.gid_mappings.is_empty()) {
        return Err(invalid("uidMappings and gidMappings need a user namespace"));
    }
    linux.uid_mappings.iter().chain(&linux.gid_mappings).try_for_each(crate::refused::refuse_map_line)?;
    // The user namespace comes last: joining the others needs the caller's capabilities.
    join.sort_by_key(|(flag, _)| *flag == NEWUSER);
    Ok((create, join))
}

fn build_steps(
    spec: &Spec,
    linux: &Linux,
    process: &Process,
    rootfs: Rootfs,
    own_user_namespace: bool,
) -> Result<Vec<BuildStep>> {
    let mut steps = vec![BuildStep::Rootfs { rootfs }];
    if let Some(word) = &linux.rootfs_propagation {
        let (flag, _) =
            propagation(word).ok_or_else(|| invalid(format!("unknown rootfsPropagation `{word}`")))?;
        steps.push(BuildStep::RootPropagation { propagation: flag });
    }
    let mut dev_is_bound = false;
    for mount in &spec.mounts {
        let step = mount_step(mount, own_user_namespace)?;
        if step.destination == Path::new("/dev") {
            dev_is_bound = matches!(step.source, Source::Bind { .. });
        }
        steps.push(BuildStep::Mount(step));
    }
    // A host's /dev bound over ours has its nodes already.
    if !dev_is_bound {
        device_steps(linux, &mut steps)?;
    }
    if process.terminal {
        steps.push(BuildStep::Console);
    }
    for (key, value) in &linux.sysctl {
        steps.push(crate::sysctl::sysctl_step(key, value, linux)?);
    }
    steps.extend(linux.readonly_paths.iter().map(|path| BuildStep::ReadOnly { path: path.into() }));
    steps.extend(linux.masked_paths.iter().map(|path| BuildStep::Mask { path: path.into() }));
    if spec.root.as_ref().is_some_and(|root| root.readonly) {
        steps.push(BuildStep::RootReadOnly);
    }
    for (index, limit) in process.rlimits.iter().enumerate() {
        if process.rlimits[..index].iter().any(|before| before.kind == limit.kind) {
            return Err(invalid(format!("rlimit `{}` is listed twice", limit.kind)));
        }
        let resource = crate::rlimit::number(&limit.kind)
            .ok_or_else(|| invalid(format!("unknown rlimit `{}`", limit.kind)))?;
        if limit.soft > limit.hard {
            return Err(invalid(format!("soft limit of `{}` exceeds its hard limit", limit.kind)));
        }
        steps.push(BuildStep::Rlimit { resource, soft: limit.soft, hard: limit.hard });
    }
    if let Some(value) = process.oom_score_adj {
        steps.push(BuildStep::OomScoreAdj { value });
    }
    steps.push(BuildStep::PidsLimit);
    Ok(steps)
}

/// Devices and links of the specification's default, then those asked for.
fn device_steps(linux: &Linux, steps: &mut Vec<BuildStep>) -> Result<()> {
    for (path, major, minor) in DEFAULT_DEVICES {
        if linux.devices.iter().any(|device| device.path == Path::new(path)) {
            continue;
        }
        let (uid, gid, mode) = (0, 0, 0o666);
        let kind = DeviceKind::Char;
        steps.push(BuildStep::Device { path: path.into(), kind, major, minor, mode, uid, gid });
    }
    for device in &linux.devices {
        let kind = match device.kind.as_str() {
            "c" | "u" => DeviceKind::Char,
            "b" => DeviceKind::Block,
            "p" => DeviceKind::Fifo,
            other => {
                return Err(invalid(format!("unknown type `{other}` of device {}", device.path.display())));
            }
        };
        let number = |value: i64| {
            u32::try_from(value)
                .map_err(|_| invalid(format!("device number {value} of {}", device.path.display())))
        };
        steps.push(BuildStep::Device {
            path: guest_path(&device.path)?,
            kind,
            major: number(device.major)?,
            minor: number(device.minor)?,
            mode: device.file_mode.unwrap_or(0o666) & 0o7777,
            uid: device.uid.unwrap_or(0),
            gid: device.gid.unwrap_or(0),
        });
    }
    steps.extend(
        DEFAULT_LINKS
            .iter()
            .map(|(path, target)| BuildStep::Symlink { path: path.into(), target: target.into() }),
    );
    Ok(())
}

/// Cleans a path inside: absolute, without `.` and `..` (the specification wants it so).
fn guest_path(path: &Path) -> Result<PathBuf> {
    let mut clean = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    if clean.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(invalid(format!("path {path:?} holds a NUL byte")));
    }
    Ok(clean)
}

/// What init can do while the builder mounts.
fn prepare_steps(spec: &Spec, new_namespaces: u64, join: &[(u64, PathBuf)]) -> Result<Vec<InitStep>> {
    let label = spec.process.as_ref().and_then(|process| process.selinux_label.as_ref());
    let mut steps = session_steps(label)?;
    let named = |name: &Option<String>| name.as_ref().is_some_and(|name| !name.is_empty());
    let has_names = new_namespaces & NEWUTS != 0 || join.iter().any(|(flag, _)| *flag == NEWUTS);
    if (named(&spec.hostname) || named(&spec.domainname)) && !has_names {
        return Err(invalid(
            "hostname and domainname need a uts namespace: without one they would be the host's",
        ));
    }
    if let Some(name) = spec.hostname.as_ref().filter(|name| !name.is_empty()) {
        steps.push(InitStep::Hostname { name: name.clone() });
    }
    if let Some(name) = spec.domainname.as_ref().filter(|name| !name.is_empty()) {
        steps.push(InitStep::Domainname { name: name.clone() });
    }
    if new_namespaces & NEWNET != 0 {
        steps.push(InitStep::LoopbackUp);
    }
    Ok(steps)
}
