//! The recipe that `create` and `run` share: bundle → plan → claim of the id → cgroup → processes → state.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use oci::class::Class;
use oci::rootfs::Rootfs;
use oci::runtime::{ConsoleSize, Linux, Status};
use runtime::step::InitStep;
use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use store::Durability;
use sys::{Context, Dir};

use super::config::{self, Bundle};
use super::console;
use super::group;
use super::home::{CONFIG, Claim, Runtime, START, check_id};
use super::process::start_ticks;
use super::record::Record;
use super::request::CreateRequest;
use crate::confinement::selinux;
use crate::error::{Doing, Error, Result};

/// Who starts the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Starter {
    /// A later `start`, through the socket.
    Anybody,
    /// The caller, which goes away then.
    Caller,
    /// The caller, which serves a terminal of this size.
    Foreground { size: Option<(u16, u16)> },
}

/// A container that waits to be started.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) created: runtime::Created,
    pub(super) record: Record,
    pub(super) hooks: runtime::step::Hooks,
    /// The terminal's master, where the caller serves it.
    pub(super) master: Option<OwnedFd>,
    pub(super) warnings: Vec<String>,
}

/// What was decided before anything is made.
struct Prepared {
    bundle: Bundle,
    plan: runtime::Plan,
    preserve_fds: u32,
    /// Where the master of the terminal goes.
    socket: Option<OwnedFd>,
    warnings: Vec<String>,
}

/// Makes a container; nothing is left of one that could not be made.
pub(super) fn make(runtime: &Runtime, request: &CreateRequest, starter: Starter) -> Result<Made> {
    let prepared = prepare(runtime, request, starter)?;
    let claim = runtime.claim(&request.id)?;
    let outcome = build(&claim, request, starter, prepared);
    if outcome.is_err() {
        // The error at hand is the one to tell.
        let _ = runtime.remove(&request.id);
    }
    claim.release();
    outcome
}

fn prepare(runtime: &Runtime, request: &CreateRequest, starter: Starter) -> Result<Prepared> {
    check_id(&request.id)?;
    let mut bundle = Bundle::load(&request.bundle)?;
    refuse_unprivileged()?;
    let linux = bundle.spec.linux.as_ref();
    let process = bundle.spec.process.as_ref();
    selinux::check_spec([
        process.and_then(|process| process.selinux_label.as_ref()),
        linux.and_then(|linux| linux.mount_label.as_ref()),
    ])?;
    let detached = !matches!(starter, Starter::Foreground { .. });
    let socket = request.console_socket.as_deref();
    let mut preserve_fds = 0;
    let mut warnings = Vec::new();
    if let Some(mut process) = bundle.spec.process.take() {
        console::check(process.terminal, detached, socket)?;
        preserve_fds = config::inherit(&mut process, request.inherited)?;
        warnings = config::keep_grantable(&mut process, &bundle.spec)?;
        bundle.spec.process = Some(process);
    }
    let filter = bundle.spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
    let mut plan = runtime::plan(runtime::PlanInput {
        spec: &bundle.spec,
        rootfs: Rootfs::Directory(bundle.rootfs.clone()),
        seccomp: config::filter(runtime, filter)?,
        gate: true,
        create_cwd: true,
    })?;
    if !request.new_keyring {
        plan.prepare.retain(|step| *step != InitStep::SessionKeyring);
    }
    let socket = socket.map(console::reach).transpose()?;
    Ok(Prepared { bundle, plan, preserve_fds, socket, warnings })
}

/// Refuses who may not mount: as podman does, such a caller enters a user namespace first.
fn refuse_unprivileged() -> Result<()> {
    const SYS_ADMIN: u64 = 1 << 21;
    if sys::credentials::effective_capabilities()? & SYS_ADMIN != 0 {
        return Ok(());
    }
    Err(Error::new(Class::Denied, "cannot make containers: this process has not got CAP_SYS_ADMIN")
        .hint("run as root, or in a user namespace with a mount namespace, as podman does and `unshare --map-auto -rm`"))
}

fn build(claim: &Claim, request: &CreateRequest, starter: Starter, prepared: Prepared) -> Result<Made> {
    let linux = prepared.bundle.spec.linux.clone().unwrap_or_default();
    store::write_atomic(&claim.dir, CONFIG, &prepared.bundle.bytes, Durability::Volatile)?;
    let plan = &prepared.plan;
    let owner = group::is_its_own(&prepared.bundle.spec).then_some((plan.user_uid, plan.root_gid));
    let (group, mut warnings) = group::make(&request.id, &linux, owner)?;
    let outcome = populate(claim, request, starter, &prepared, &linux, group.as_ref());
    match outcome {
        Ok(mut made) => {
            warnings.splice(..0, prepared.warnings);
            warnings.append(&mut made.warnings);
            Ok(Made { warnings, ..made })
        }
        Err(error) => {
            if let Some(group) = &group {
                let _ = group.kill(rustix::process::Signal::KILL);
                let _ = group.destroy();
            }
            Err(error)
        }
    }
}

/// Starts the processes and writes down what they are.
fn populate(
    claim: &Claim,
    request: &CreateRequest,
    starter: Starter,
    prepared: &Prepared,
    linux: &Linux,
    group: Option<&cgroup::Group>,
) -> Result<Made> {
    let mut record = new_record(request, prepared, group);
    // Whoever finds us dead half-way learns of the group by it.
    record.save(&claim.dir)?;
    let gate = match starter {
        Starter::Anybody => runtime::Gate::Listener(listener(&claim.dir)?),
        Starter::Caller | Starter::Foreground { .. } => runtime::Gate::Report,
    };
    let console = console_of(prepared, starter)?;
    let created = runtime::create(&runtime::CreateInput {
        plan: &prepared.plan,
        staging: &claim.path,
        stdio: [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()],
        console: console.as_ref(),
        group,
        pids_limit: linux
            .resources
            .as_ref()
            .and_then(|resources| resources.pids.as_ref())
            .map(|pids| pids.limit),
        parent: runtime::Parent::Caller,
        gate: &gate,
        preserve_fds: prepared.preserve_fds,
        state: Some(&record.state(Status::Creating)),
        network: None,
    })
    .map_err(|error| explain(error, group))
    .doing(|| format!("cannot create container `{}`", request.id))?;
    record.pid = created.pid;
    record.start_ticks = start_ticks(created.pid);
    let mut master = console.map(|console| console.pty.master);
    let told = (|| {
        record.save(&claim.dir)?;
        if let (Some(socket), Some(master)) =
            (&prepared.socket, master.take_if(|_| prepared.socket.is_some()))
        {
            console::send_master(socket, &master)?;
        }
        request.pid_file.as_deref().map_or(Ok(()), |path| write_pid(path, created.pid))
    })();
    if let Err(error) = told {
        let _ = sys::process::signal(created.pidfd.as_fd(), libc::SIGKILL);
        return Err(error);
    }
    let warnings = created.warnings.clone();
    Ok(Made { created, record, hooks: prepared.plan.hooks.clone(), master, warnings })
}

/// A process that says nothing was most likely killed for its memory.
fn explain(error: runtime::Error, group: Option<&cgroup::Group>) -> Error {
    let silent = matches!(error, runtime::Error::Died(_));
    let error = Error::from(error);
    if silent && group.is_some_and(|group| group.oom_count().unwrap_or(0) > 0) {
        return Error::invalid("the memory limit is too low to start in").caused_by(error).hint("raise it");
    }
    error
}

fn new_record(request: &CreateRequest, prepared: &Prepared, group: Option<&cgroup::Group>) -> Record {
    let Prepared { bundle, plan, .. } = prepared;
    Record {
        id: request.id.clone(),
        pid: 0,
        start_ticks: 0,
        boot_id: supervisor::status::boot_id().to_owned(),
        bundle: bundle.path.clone(),
        rootfs: bundle.rootfs.clone(),
        created: jiff::Timestamp::now().to_string(),
        annotations: bundle.spec.annotations.clone(),
        cgroup: group.map(cgroup::Group::paths).unwrap_or_default(),
        own_pid_namespace: config::own_pid_namespace(&bundle.spec),
        has_hooks: !(plan.hooks.poststart.is_empty() && plan.hooks.poststop.is_empty()),
    }
}

/// Makes the container's terminal, with the size of the one that serves it, or that the specification gives it.
fn console_of(prepared: &Prepared, starter: Starter) -> Result<Option<runtime::Console>> {
    if !prepared.plan.program.terminal {
        return Ok(None);
    }
    let console = runtime::Console::new(&prepared.plan)?;
    let served = if let Starter::Foreground { size } = starter { size } else { None };
    let asked = prepared.bundle.spec.process.as_ref().and_then(|process| process.console_size.as_ref());
    set_size(&console.pty, served, asked)?;
    Ok(Some(console))
}

/// Sizes a terminal before its program looks.
pub(super) fn set_size(
    pty: &sys::terminal::Pty,
    served: Option<(u16, u16)>,
    asked: Option<&ConsoleSize>,
) -> Result<()> {
    let cells = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
    let size = served.or_else(|| asked.map(|size| (cells(size.height), cells(size.width))));
    if let Some((rows, columns)) = size {
        sys::terminal::set_window_size(pty.master.as_fd(), rows, columns)?;
    }
    Ok(())
}

/// Makes the socket at which init waits. Its path may be longer than an address holds, so it is named by descriptor.
fn listener(dir: &Dir) -> Result<OwnedFd> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .context(|| "cannot make a socket".into())?;
    let before = rustix::process::umask(Mode::from_raw_mode(0o177));
    let bound = bind(&socket, &start_address(dir)?);
    rustix::process::umask(before);
    bound.on_path("make socket", &dir.label().join(START))?;
    listen(&socket, 16).context(|| "cannot listen for the start".into())?;
    Ok(socket)
}

/// Returns the address of the socket at which a created container waits.
pub(super) fn start_address(dir: &Dir) -> Result<SocketAddrUnix> {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}/{START}", dir.as_fd().as_raw_fd());
    Ok(SocketAddrUnix::new(path).context(|| "cannot address the start socket".into())?)
}

/// Writes a pid for whoever asked, all at once.
pub(super) fn write_pid(path: &Path, pid: i32) -> Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    store::write_atomic(Dir::open(parent)?, &name, pid.to_string().as_bytes(), Durability::Volatile)
        .doing(|| format!("cannot write pid file `{}`", path.display()))?;
    Ok(sys::fs::set_mode(path, 0o644)?)
}
