//! The mounts of a container: the kernel's file systems, the three files of its network identity, what was asked.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use oci::runtime::Mount;
use store::Durability;
use sys::Dir;

use super::super::record::ContainerRecord;
use super::Situation;
use crate::error::{Error, Result};
use crate::paths::Engine;
use crate::request::{BindMount, IdMap, IpcMode, MountRequest, NetworkMode, Recursion};

/// Where the init of `--init` appears.
pub(super) const INIT_PATH: &str = "/sbin/docker-init";
/// Size of /dev/shm unless asked otherwise.
const SHM_BYTES: u64 = 64 << 20;

/// Returns all mounts in their order.
pub(super) fn mounts(engine: &Engine, record: &ContainerRecord, situation: &Situation) -> Result<Vec<Mount>> {
    let request = &record.request;
    let privileged = request.security.privileged;
    let access = if privileged { "rw" } else { "ro" };
    let cgroup_access = if privileged || request.security.writable_cgroups { "rw" } else { "ro" };
    let mut mounts = vec![
        system("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        system("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        system("/dev/pts", "devpts", &["nosuid", "noexec"]),
        system("/sys", "sysfs", &["nosuid", "noexec", "nodev", access]),
        system("/sys/fs/cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", cgroup_access]),
        system("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
    ];
    if request.namespaces.network == NetworkMode::Host && situation.has_user_namespace() {
        // sysfs shows the network namespace, which belongs to the host's user namespace here.
        mounts[3] = bind(Path::new("/sys"), Path::new("/sys"), &["rbind", "nosuid", "noexec", "nodev", "ro"]);
    }
    mounts.extend(shm(request.shm_bytes.unwrap_or(SHM_BYTES), &request.namespaces.ipc));
    mounts.extend(files(engine, record, situation.network_of.as_deref())?);
    if request.init {
        let own = rustix::fs::readlink("/proc/self/exe", Vec::new())
            .map_err(|errno| sys::Error::new("cannot find our own executable", errno))?;
        let own = Path::new(std::ffi::OsStr::from_bytes(own.as_bytes()));
        mounts.push(bind(own, Path::new(INIT_PATH), &["ro", "nosuid"]));
    }
    for placed in record.placed() {
        place(&mut mounts, super::volumes::mount(engine, &placed)?);
    }
    Ok(mounts)
}

/// Adds a mount of the user's; it replaces ours at the same place. Who brings a /dev brings all in it, but the
/// terminals stay the container's own.
fn place(mounts: &mut Vec<Mount>, mount: Mount) {
    if mount.destination == Path::new("/dev") {
        let kept = ["/dev", "/dev/pts"].map(Path::new);
        mounts.retain(|ours| !ours.destination.starts_with("/dev") || kept.contains(&&*ours.destination));
    }
    match mounts.iter_mut().find(|ours| ours.destination == mount.destination) {
        Some(ours) => *ours = mount,
        None => mounts.push(mount),
    }
}

fn system(destination: &str, kind: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.into(),
        kind: Some(kind.into()),
        source: Some(kind.into()),
        options: options.iter().map(ToString::to_string).collect(),
        ..Mount::default()
    }
}

fn bind(source: &Path, destination: &Path, options: &[&str]) -> Mount {
    let mut options: Vec<String> = options.iter().map(ToString::to_string).collect();
    if !options.iter().any(|option| option == "rbind" || option == "bind") {
        options.insert(0, "bind".into());
    }
    Mount {
        destination: destination.to_owned(),
        kind: Some("bind".into()),
        source: Some(source.to_owned()),
        options,
        ..Mount::default()
    }
}

fn shm(bytes: u64, mode: &IpcMode) -> Option<Mount> {
    match mode {
        IpcMode::None => None,
        IpcMode::Host => Some(bind(Path::new("/dev/shm"), Path::new("/dev/shm"), &["rbind"])),
        _ => {
            let size = format!("size={bytes}");
            let options = ["nosuid", "noexec", "nodev", "mode=1777", &size];
            Some(Mount { source: Some("shm".into()), ..system("/dev/shm", "tmpfs", &options) })
        }
    }
}

/// Binds /etc/hostname, /etc/hosts and /etc/resolv.conf: the latter two are another container's where its network is.
fn files(engine: &Engine, record: &ContainerRecord, network_of: Option<&str>) -> Result<Vec<Mount>> {
    let own = engine.container_dir(&record.id);
    let directory = Dir::open(&own)?;
    if !directory.exists("hostname")? {
        let text = format!("{}\n", record.hostname);
        store::write_atomic(&directory, "hostname", text.as_bytes(), Durability::Volatile)?;
    }
    directory.chmod("hostname", crate::container::files::MODE)?;
    let shared = network_of.map_or_else(|| own.clone(), |id| engine.container_dir(id));
    let file = |directory: &Path, name: &str| {
        let destination = Path::new("/etc").join(name);
        bind(&directory.join(name), &destination, &["x-coracle.idmap=container"])
    };
    Ok(vec![file(&own, "hostname"), file(&shared, "hosts"), file(&shared, "resolv.conf")])
}

/// Fails where a bind source is not there: before a container is made, and again before each start.
pub(crate) fn check_sources(mounts: &[MountRequest]) -> Result<()> {
    for mount in mounts {
        if let MountRequest::Bind(asked) = mount {
            check_source(&asked.source)?;
        }
    }
    Ok(())
}

fn check_source(source: &Path) -> Result<()> {
    let Err(errno) = rustix::fs::stat(source) else { return Ok(()) };
    Err(Error::invalid(format!(
        "invalid mount config for type \"bind\": bind source path does not exist: {}",
        source.display()
    ))
    .caused_by(std::io::Error::from(errno))
    .hint(format!("create `{}` on the host first", source.display())))
}

pub(super) fn requested_bind(asked: &BindMount) -> Result<Mount> {
    check_source(&asked.source)?;
    let mut options: Vec<&str> = vec![if asked.recursion == Recursion::Disabled { "bind" } else { "rbind" }];
    if asked.read_only {
        options.push(match asked.recursion {
            Recursion::Enabled | Recursion::ReadOnly => "rro",
            Recursion::Writable | Recursion::Disabled => "ro",
        });
    }
    options.push(asked.propagation.as_str());
    match asked.idmap {
        IdMap::Identity => options.push("x-coracle.idmap=container"),
        IdMap::Owner => options.push("x-coracle.idmap=owner"),
        IdMap::None => {}
    }
    Ok(bind(&asked.source, &asked.target, &options))
}
