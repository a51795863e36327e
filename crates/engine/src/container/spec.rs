//! Record → OCI specification, with Docker's defaults and our own: a user namespace, a process limit.

mod defaults;
mod limits;
mod mounts;
mod volumes;

use std::path::PathBuf;

use oci::runtime::{
    Capabilities, ConsoleSize, IdMapping, Linux, Namespace, NamespaceKind, Process, Resources, Rlimit, Root,
    Spec, User,
};

use sys::credentials::{capability_number, effective_capabilities};

use super::find::Container;
use super::identity::{Accounts, Identity};
use super::idrange::IdRange;
use super::record::ContainerRecord;
use super::start::running_container;
use crate::confinement::Confinement;
use crate::error::{Doing, Error, Result};
use crate::paths::Engine;
use crate::request::{
    CgroupMode, ContainerRequest, IpcMode, NetworkMode, PidMode, Seccomp, Security, UserMode, UtsMode,
};
pub(crate) use defaults::{capabilities, protected_paths};
pub(crate) use limits::{PIDS_DEFAULT, check_processors, limits_of};
pub(crate) use mounts::check_sources;

/// What a specification depends on besides the record.
#[derive(Debug)]
pub(crate) struct Situation {
    pub(crate) identity: Identity,
    pub(crate) ids: Option<IdRange>,
    pub(crate) confinement: Confinement,
    /// Containers whose namespaces are joined.
    joined: Vec<(NamespaceKind, PathBuf)>,
    /// The container whose network is joined, by its id.
    network_of: Option<String>,
    user_namespace: UserNamespace,
}

/// Which user namespace a container gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UserNamespace {
    Own,
    Host,
    /// That of a joined container, with its first host id.
    Joined,
}

/// A specification and what the supervisor needs beside the plan.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) spec: Spec,
    pub(crate) cgroup: Option<String>,
    pub(crate) resources: Resources,
    pub(crate) pids_limit: Option<i64>,
}

impl Situation {
    /// Looks up identities and joined containers.
    pub(crate) fn of(engine: &Engine, record: &ContainerRecord) -> Result<Self> {
        let roots = crate::image::lookup_roots(record)?;
        let accounts = Accounts::read(roots.iter());
        let identity = accounts.identity(&record.user, &record.request.groups)?;
        let mut joined = Vec::new();
        let mut network_of = None;
        let namespaces = &record.request.namespaces;
        let mut shared_user = None;
        let wanted = [
            (NamespaceKind::Pid, "pid", matches_container(&namespaces.pid)),
            (NamespaceKind::Ipc, "ipc", ipc_container(&namespaces.ipc)),
            (NamespaceKind::Network, "net", network_container(&namespaces.network)),
            (NamespaceKind::User, "user", user_container(&namespaces.user)),
        ];
        for (kind, file, word) in wanted {
            let Some(word) = word else { continue };
            let other = running_container(engine, word, &format!("{file} namespace"))?;
            if kind == NamespaceKind::Network {
                network_of = Some(other.record.id.clone());
                network::State::new(engine.run_root()).share(&other.record.id)?;
            }
            let pid = other.running()?.pid;
            joined.push((kind, PathBuf::from(format!("/proc/{pid}/ns/{file}"))));
            if other_has_user_namespace(&other) {
                // Its namespaces belong to its user namespace: from another one port 80 and raw
                // sockets would be refused.
                shared_user = Some(pid);
            }
        }
        let user_namespace = match (&namespaces.user, shared_user) {
            (UserMode::Host, _) => UserNamespace::Host,
            (UserMode::Auto, None) => UserNamespace::Own,
            (UserMode::Container(_), _) | (_, Some(_)) => UserNamespace::Joined,
            (UserMode::Default, None) => {
                let weak =
                    record.request.security.privileged || namespaces.shares_host() || !joined.is_empty();
                if weak { UserNamespace::Host } else { UserNamespace::Own }
            }
        };
        if let (UserNamespace::Joined, Some(pid)) = (user_namespace, shared_user)
            && !joined.iter().any(|(kind, _)| *kind == NamespaceKind::User)
        {
            joined.push((NamespaceKind::User, PathBuf::from(format!("/proc/{pid}/ns/user"))));
        }
        let confinement = Confinement::default();
        Ok(Self { identity, ids: None, confinement, joined, network_of, user_namespace })
    }

    /// Whether ids must be leased.
    pub(crate) fn own_user_namespace(&self) -> bool {
        self.user_namespace == UserNamespace::Own
    }

    fn has_user_namespace(&self) -> bool {
        self.user_namespace != UserNamespace::Host
    }

    /// The id map of the container, own or joined.
    fn id_map(&self) -> Result<Vec<IdMapping>> {
        match self.user_namespace {
            UserNamespace::Host => Ok(Vec::new()),
            UserNamespace::Own => {
                let ids = self.ids.as_ref().ok_or_else(|| Error::invalid("no id range was leased"))?;
                Ok(vec![IdMapping { container_id: 0, host_id: ids.base, size: ids.size }])
            }
            UserNamespace::Joined => {
                let path =
                    self.joined.iter().find(|(kind, _)| *kind == NamespaceKind::User).map(|(_, path)| path);
                let pid =
                    path.and_then(|path| path.iter().nth(2)).and_then(|part| part.to_str()).unwrap_or("self");
                read_map(pid)
            }
        }
    }
}

/// Reads the id map of a process.
fn read_map(pid: &str) -> Result<Vec<IdMapping>> {
    let text = sys::fs::read_to_string(format!("/proc/{pid}/uid_map"))?;
    let line = |line: &str| {
        let numbers: Vec<u32> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        match numbers.as_slice() {
            [container_id, host_id, size] => {
                Some(IdMapping { container_id: *container_id, host_id: *host_id, size: *size })
            }
            _ => None,
        }
    };
    Ok(text.lines().filter_map(line).collect())
}

fn matches_container(mode: &PidMode) -> Option<&str> {
    if let PidMode::Container(word) = mode { Some(word) } else { None }
}

fn ipc_container(mode: &IpcMode) -> Option<&str> {
    if let IpcMode::Container(word) = mode { Some(word) } else { None }
}

fn network_container(mode: &NetworkMode) -> Option<&str> {
    if let NetworkMode::Container(word) = mode { Some(word) } else { None }
}

fn user_container(mode: &UserMode) -> Option<&str> {
    if let UserMode::Container(word) = mode { Some(word) } else { None }
}

fn other_has_user_namespace(other: &Container) -> bool {
    let Some(status) = &other.status else { return false };
    let read = |who: &str| rustix::fs::readlink(format!("/proc/{who}/ns/user"), Vec::new()).ok();
    read(&status.pid.to_string()) != read("self")
}

/// Builds the specification of a container.
pub(crate) fn build(engine: &Engine, record: &ContainerRecord, situation: &Situation) -> Result<Built> {
    let request = &record.request;
    let map = situation.id_map()?;
    let host_devices = if request.security.privileged { defaults::host_devices()? } else { Vec::new() };
    let devices = limits::devices(&request.devices)?;
    let all_devices = devices.iter().map(|(device, _)| device.clone()).chain(host_devices).collect();
    let resources = limits::resources(record, &devices)?;
    let (masked_paths, readonly_paths) = protected_paths(&request.security);
    let linux = Linux {
        devices: all_devices,
        uid_mappings: map.clone(),
        gid_mappings: map.clone(),
        sysctl: sysctls(record, &map),
        namespaces: namespaces(record, situation),
        masked_paths,
        readonly_paths,
        mount_label: situation.confinement.mount_label(),
        ..Linux::default()
    };
    let spec = Spec {
        oci_version: oci::runtime::SPEC_VERSION.to_owned(),
        annotations: request.annotations.clone(),
        hostname: (request.namespaces.uts == UtsMode::Private).then(|| record.hostname.clone()),
        domainname: request.domainname.clone(),
        mounts: mounts::mounts(engine, record, situation)?,
        process: Some(process(record, situation, ceiling(situation.has_user_namespace())?)),
        root: Some(Root { path: PathBuf::from("rootfs"), readonly: request.read_only }),
        linux: Some(linux),
        hooks: None,
    };
    let pids_limit = match request.resources.pids {
        Some(limit) => limit.as_i64(),
        None => PIDS_DEFAULT,
    };
    Ok(Built {
        spec,
        cgroup: Some(record.cgroup()),
        resources,
        pids_limit: (pids_limit > 0).then_some(pids_limit),
    })
}

/// The container's first process.
fn process(record: &ContainerRecord, situation: &Situation, ceiling: u64) -> Process {
    let (request, identity) = (&record.request, &situation.identity);
    let mut args = record.args.clone();
    if request.init {
        args.splice(0..0, [mounts::INIT_PATH.to_owned(), "--".to_owned()]);
    }
    Process {
        terminal: request.tty,
        console_size: request
            .console_size
            .map(|size| ConsoleSize { height: size.height.into(), width: size.width.into() }),
        cwd: PathBuf::from(&record.workdir),
        env: environment(record, identity),
        args,
        rlimits: request
            .resources
            .ulimits
            .iter()
            .map(|limit| Rlimit {
                kind: limit.spec_name(),
                soft: limit.soft.as_rlimit(),
                hard: limit.hard.as_rlimit(),
            })
            .collect(),
        selinux_label: situation.confinement.process_label(),
        apparmor_profile: situation.confinement.apparmor.clone(),
        capabilities: Some(granted(&request.security, identity, ceiling)),
        no_new_privileges: request.security.no_new_privileges,
        oom_score_adj: request.resources.memory.oom_score_adj.map(i32::from),
        user: user(identity),
        ..Process::default()
    }
}

/// All capabilities in a user namespace of its own, ours otherwise.
pub(crate) fn ceiling(user_namespace: bool) -> Result<u64> {
    if user_namespace {
        return Ok(u64::MAX);
    }
    Ok(effective_capabilities()?)
}

pub(crate) fn user(identity: &Identity) -> User {
    User { uid: identity.uid, gid: identity.gid, additional_gids: identity.groups.clone(), ..User::default() }
}

/// The capability sets: nothing inheritable or ambient ever (CVE-2022-24769); a user other than root
/// starts with none in force, as after an execve.
///
/// Nobody can grant what he lacks: under the host's user namespace the set is cut to `ceiling`,
/// the caller's own capabilities.
pub(crate) fn granted(security: &Security, identity: &Identity, ceiling: u64) -> Capabilities {
    let mut bounding = capabilities(security);
    bounding.retain(|name| capability_number(name).is_some_and(|number| ceiling & (1 << number) != 0));
    let active = if identity.uid == 0 { bounding.clone() } else { Vec::new() };
    Capabilities { bounding, effective: active.clone(), permitted: active, ..Capabilities::default() }
}

/// Docker's variables around the record's: PATH, HOSTNAME, TERM first, HOME where none is set.
pub(crate) fn environment(record: &ContainerRecord, identity: &Identity) -> Vec<String> {
    let mut env = record.env.clone();
    let has = |env: &[String], name: &str| env.iter().any(|entry| entry.starts_with(name));
    let mut first = Vec::new();
    if !has(&env, "HOSTNAME=") {
        first.push(format!("HOSTNAME={}", record.hostname));
    }
    if record.request.tty && !has(&env, "TERM=") {
        first.push("TERM=xterm".to_owned());
    }
    if !has(&env, "HOME=") {
        env.push(format!("HOME={}", identity.home));
    }
    let at = usize::from(env.first().is_some_and(|entry| entry.starts_with("PATH=")));
    env.splice(at..at, first);
    env
}

/// Whether a container sees its own cgroup as the root of all.
pub(super) fn has_own_cgroup_namespace(request: &ContainerRequest) -> bool {
    match request.namespaces.cgroup {
        CgroupMode::Private => true,
        CgroupMode::Host => false,
        CgroupMode::Default => !request.security.privileged,
    }
}

fn namespaces(record: &ContainerRecord, situation: &Situation) -> Vec<Namespace> {
    let modes = &record.request.namespaces;
    let cgroup_private = has_own_cgroup_namespace(&record.request);
    let own = [
        (NamespaceKind::Mount, true),
        (NamespaceKind::Pid, modes.pid == PidMode::Private),
        (NamespaceKind::Network, modes.network.is_private()),
        (NamespaceKind::Ipc, matches!(modes.ipc, IpcMode::Private | IpcMode::Shareable | IpcMode::None)),
        (NamespaceKind::Uts, modes.uts == UtsMode::Private),
        (NamespaceKind::User, situation.own_user_namespace()),
        (NamespaceKind::Cgroup, cgroup_private),
    ];
    let mut list: Vec<Namespace> =
        own.into_iter().filter(|(_, own)| *own).map(|(kind, _)| Namespace { kind, path: None }).collect();
    list.extend(
        situation.joined.iter().map(|(kind, path)| Namespace { kind: *kind, path: Some(path.clone()) }),
    );
    list
}

/// Docker's two network settings that let programs go without capabilities, then those asked for.
fn sysctls(record: &ContainerRecord, map: &[IdMapping]) -> std::collections::BTreeMap<String, String> {
    let mut sysctls = std::collections::BTreeMap::new();
    if record.request.namespaces.network.is_private() {
        // The upper end must lie inside the id map.
        let last = map.first().map_or(i32::MAX as u32, |line| line.size - 1);
        sysctls.insert("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned());
        sysctls.insert("net.ipv4.ping_group_range".to_owned(), format!("0 {last}"));
    }
    sysctls.extend(record.request.sysctls.clone());
    sysctls
}

/// Compiles the system call filter, or finds it in the cache.
pub(crate) fn filter(
    engine: &Engine,
    record: &ContainerRecord,
    built: &Built,
) -> Result<Option<(Vec<u8>, u32)>> {
    let bounding = built
        .spec
        .process
        .as_ref()
        .and_then(|process| process.capabilities.as_ref())
        .map(|sets| sets.bounding.clone())
        .unwrap_or_default();
    compiled(engine, &record.request.security, &bounding)
}

/// Compiles a filter for a set of capabilities.
pub(crate) fn compiled(
    engine: &Engine,
    security: &Security,
    bounding: &[String],
) -> Result<Option<(Vec<u8>, u32)>> {
    let release = rustix::system::uname();
    let kernel = seccomp::KernelVersion::parse_release(&release.release().to_string_lossy())?;
    let conditions = seccomp::Conditions { arch: seccomp::Arch::NATIVE, capabilities: bounding, kernel };
    let cached = match &security.seccomp {
        Seccomp::Unconfined => return Ok(None),
        Seccomp::Default if security.privileged => return Ok(None),
        Seccomp::Default | Seccomp::Builtin => {
            seccomp::default_compiled(&engine.seccomp_cache(), &conditions, seccomp::Socketcall::Allow)?
        }
        Seccomp::Profile { path, json } => seccomp::Profile::parse(json.as_bytes())
            .and_then(|profile| {
                seccomp::compile_cached(&engine.seccomp_cache(), &profile.resolve(&conditions))
            })
            .doing(|| format!("cannot use the seccomp profile `{}`", path.display()))?,
    };
    if cached.program.needs_listener() {
        return Err(Error::unsupported("a seccomp profile with SCMP_ACT_NOTIFY is not supported yet")
            .hint("use SCMP_ACT_ERRNO for these calls"));
    }
    Ok(Some((cached.program.to_bytes(), cached.program.flags.bits())))
}

#[cfg(test)]
mod tests;
