//! OCI spec → plan: pure, so that deciding is tested without a kernel.

use std::path::{Component, Path, PathBuf};

use oci::rootfs::Rootfs;
use oci::runtime::{IdMapping, Linux, Mount, NamespaceKind, Process, Spec};
use sys::credentials::capability_number;
use sys::process::{NEWCGROUP, NEWIPC, NEWNET, NEWPID, NEWTIME, NEWUSER, NEWUTS, namespace_names};

use crate::error::{Error, Result};
use crate::options::{IdmapOption, parse_options, propagation};
use crate::step::{
    BuildStep, CapabilityWords, DeviceKind, Idmap, InitStep, MountStep, Plan, Program, Source,
};

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
    crate::refused::refuse(spec, &linux)?;
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
        join,
        uid_map: linux.uid_mappings.clone(),
        gid_map: linux.gid_mappings.clone(),
        root_uid,
        root_gid,
        user_uid: host_id(&linux.uid_mappings, process.user.uid, own_user_namespace),
        own_user_namespace,
        build: build_steps(spec, &linux, process, input.rootfs, own_user_namespace)?,
        prepare: prepare_steps(spec, new_namespaces),
        init: init_steps(
            process,
            &linux,
            input.seccomp.as_ref(),
            input.create_cwd,
            input.gate,
            own_user_namespace,
        )?,
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
    map.iter()
        .find(|line| id >= line.container_id && id - line.container_id < line.size)
        .map_or(0, |line| line.host_id + (id - line.container_id))
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

fn mount_step(mount: &Mount, own_user_namespace: bool) -> Result<MountStep> {
    let options = parse_options(&mount.options);
    let kind = mount.kind.as_deref().unwrap_or("none");
    let source = if let Some(layers) = &mount.layers {
        Source::Image { layers: layers.clone(), subpath: mount.subpath.clone() }
    } else if options.bind || kind == "bind" {
        let path = mount
            .source
            .clone()
            .ok_or_else(|| invalid(format!("bind mount on {} has no source", mount.destination.display())))?;
        Source::Bind { path, recursive: options.recursive_bind, subpath: mount.subpath.clone() }
    } else {
        match kind {
            "proc" => Source::Proc { options: options.data.clone() },
            "sysfs" => Source::Sysfs,
            "mqueue" => Source::Mqueue,
            "devpts" => Source::Devpts,
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
fn prepare_steps(spec: &Spec, new_namespaces: u64) -> Vec<InitStep> {
    let mut steps = vec![InitStep::NewSession, InitStep::SessionKeyring];
    if let Some(name) = spec.hostname.as_ref().filter(|name| !name.is_empty()) {
        steps.push(InitStep::Hostname { name: name.clone() });
    }
    if let Some(name) = spec.domainname.as_ref().filter(|name| !name.is_empty()) {
        steps.push(InitStep::Domainname { name: name.clone() });
    }
    if new_namespaces & NEWNET != 0 {
        steps.push(InitStep::LoopbackUp);
    }
    steps
}

fn init_steps(
    process: &Process,
    linux: &Linux,
    seccomp: Option<&(Vec<u8>, u32)>,
    create_cwd: bool,
    gate: bool,
    own_user_namespace: bool,
) -> Result<Vec<InitStep>> {
    let mut steps = Vec::new();
    if own_user_namespace {
        steps.push(InitStep::BecomeRoot);
        steps.push(InitStep::LockMounts);
    }
    if let Some(personality) = &linux.personality {
        if let Some(flag) = personality.flags.first() {
            return Err(invalid(format!("unknown personality flag `{flag}`")));
        }
        let domain = match personality.domain.as_str() {
            "LINUX" => 0,
            "LINUX32" => 8,
            other => return Err(invalid(format!("unknown personality `{other}`"))),
        };
        steps.push(InitStep::Personality { domain });
    }
    if let Some(policy) = &linux.memory_policy {
        steps.push(crate::memory_policy::memory_policy_step(policy)?);
    }
    process_steps(process, seccomp, create_cwd, gate, &mut steps)?;
    Ok(steps)
}

/// The steps that turn a process into the one asked for; `exec` shares them.
///
/// Order (capabilities(7), seccomp(2)): bounding set while CAP_SETPCAP is there; the filter before the
/// ids only when it may not be loaded without privilege; the working directory as the user.
pub(crate) fn process_steps(
    process: &Process,
    seccomp: Option<&(Vec<u8>, u32)>,
    create_cwd: bool,
    gate: bool,
    steps: &mut Vec<InitStep>,
) -> Result<()> {
    if let Some(priority) = &process.io_priority {
        let class = match priority.class.as_str() {
            "IOPRIO_CLASS_RT" => 1,
            "IOPRIO_CLASS_BE" => 2,
            "IOPRIO_CLASS_IDLE" => 3,
            other => return Err(invalid(format!("unknown ioPriority class `{other}`"))),
        };
        let priority = u32::try_from(priority.priority)
            .ok()
            .filter(|p| *p < 8)
            .ok_or_else(|| invalid("ioPriority must be 0 to 7"))?;
        steps.push(InitStep::IoPriority { class, priority });
    }
    if let Some(scheduler) = &process.scheduler {
        steps.push(InitStep::Scheduler(crate::scheduler::scheduler_step(scheduler)?));
    }
    if create_cwd {
        // As root: the directory may be missing where the user could not make it.
        steps.push(InitStep::WorkingDirectory { path: guest_path(&process.cwd)?, create: true });
    }
    let profile = process.apparmor_profile.as_ref();
    if let Some(profile) = profile.filter(|name| !name.is_empty() && *name != "unconfined") {
        if profile.contains(['\n', '\0']) {
            return Err(invalid(format!("process.apparmorProfile `{}`", profile.escape_debug())));
        }
        steps.push(InitStep::AppArmor { profile: profile.clone() });
    }
    let sets = process.capabilities.clone().unwrap_or_default();
    let bounding = mask(&sets.bounding);
    let load = |steps: &mut Vec<InitStep>| {
        if let Some((program, flags)) = seccomp {
            steps.push(InitStep::Seccomp { program: program.clone(), flags: *flags });
        }
    };
    steps.push(InitStep::Bounding { keep: bounding });
    steps.push(InitStep::Umask { mask: process.user.umask.unwrap_or(0o022) });
    if !process.no_new_privileges {
        load(steps);
    }
    steps.push(InitStep::Identity {
        uid: process.user.uid,
        gid: process.user.gid,
        groups: process.user.additional_gids.clone(),
        capabilities: CapabilityWords {
            effective: mask(&sets.effective),
            permitted: mask(&sets.permitted),
            inheritable: mask(&sets.inheritable),
            // The kernel raises nothing else (capabilities(7)), and callers write specifications that ask for it.
            ambient: mask(&sets.ambient) & mask(&sets.permitted) & mask(&sets.inheritable),
        },
    });
    steps.push(InitStep::WorkingDirectory { path: guest_path(&process.cwd)?, create: false });
    if process.no_new_privileges {
        steps.push(InitStep::NoNewPrivileges);
        load(steps);
    }
    if gate {
        steps.push(InitStep::Gate);
    }
    Ok(())
}

/// Turns capability names into a mask; names this build does not know are dropped, as the
/// specification asks.
fn mask(names: &[String]) -> u64 {
    names.iter().filter_map(|name| capability_number(name)).fold(0, |mask, number| mask | 1 << number)
}
