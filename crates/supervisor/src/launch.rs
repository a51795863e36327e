//! Starts a guardian: our own executable anew, with the job in a memfd.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{MemfdFlags, Mode, OFlags, memfd_create};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use sys::Context;
use sys::mount::{self, Change};
use sys::process::{self, Inherit};

use runtime::step::BuildStep;

use crate::client::Client;
use crate::job::Job;

/// Descriptor numbers of a guardian.
pub(crate) const JOB_FD: i32 = 3;
pub(crate) const CLIENT_FD: i32 = 4;
pub(crate) const LOCK_FD: i32 = 5;
/// The first of the sockets of published ports.
pub(crate) const PORTS_FD: i32 = LOCK_FD + 1;

/// The number of a limit that every library types in its own way.
#[allow(clippy::unnecessary_cast, reason = "needed with musl")]
const OPEN_FILES: u32 = libc::RLIMIT_NOFILE as u32;
/// Descriptors that guardian and supervisor have room for beside the sockets of ports.
const ROOM: u64 = 700;

/// The hidden first argument that makes our executable a guardian.
pub const GUARDIAN_ARGUMENT: &CStr = c"supervise-container";

/// Why a guardian could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error("cannot encode the container's job")]
    Encode(#[from] postcard::Error),
    #[error(transparent)]
    System(#[from] sys::Error),
}

/// Name of the lock in the run directory that guardian and supervisor hold for life.
pub const LOCK: &str = "supervisor.lock";

/// Starts a guardian for the job, which takes over the lock and the sockets of the job's published ports (in their
/// order), and returns a client connected to its supervisor.
pub fn launch(job: &Job, lock: &store::Lock, ports: Vec<OwnedFd>) -> Result<Client, LaunchError> {
    let wanted = job.network.as_ref().map_or(0, |network| network.ports.len());
    assert_eq!(ports.len(), wanted, "each published port has its socket");
    match raise_limit(ports.len())? {
        None => launch_within(job, lock, ports),
        Some(before) => {
            let launched = launch_within(&keep_limit(job.clone(), before), lock, ports);
            process::set_rlimit(0, OPEN_FILES, before.0, before.1)
                .context(|| "cannot restore the limit of open files".into())?;
            launched
        }
    }
}

/// Raises the soft limit of open files where this many ports need it, and returns what it was.
fn raise_limit(ports: usize) -> Result<Option<(u64, u64)>, LaunchError> {
    let (soft, hard) =
        process::rlimit(0, OPEN_FILES).context(|| "cannot find the limit of open files".into())?;
    // Here each is open twice for a moment.
    if soft >= hard || soft >= 2 * ports as u64 + ROOM {
        return Ok(None);
    }
    process::set_rlimit(0, OPEN_FILES, hard, hard)
        .context(|| "cannot raise the limit of open files".into())?;
    Ok(Some((soft, hard)))
}

/// Lets the program have the limit that it would have inherited otherwise, unless another is planned.
fn keep_limit(mut job: Job, (soft, hard): (u64, u64)) -> Job {
    let is_it =
        |step: &BuildStep| matches!(step, BuildStep::Rlimit { resource, .. } if *resource == OPEN_FILES);
    if !job.plan.build.iter().any(is_it) {
        job.plan.build.push(BuildStep::Rlimit { resource: OPEN_FILES, soft, hard });
    }
    job
}

fn launch_within(job: &Job, lock: &store::Lock, ports: Vec<OwnedFd>) -> Result<Client, LaunchError> {
    let bytes = postcard::to_stdvec(job)?;
    let memfd = memfd_create("job", MemfdFlags::CLOEXEC).context(|| "cannot make a memory file".into())?;
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let count = rustix::io::write(&memfd, rest).context(|| "cannot write the job".into())?;
        rest = &rest[count..];
    }
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .context(|| "cannot make a socket".into())?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .on_path("open", Path::new("/dev/null"))?;
    let executable = own_executable()?;
    let path = CString::new(format!("/proc/self/fd/{}", executable.as_raw_fd())).unwrap_or_default();
    let arguments = [
        c"coracle".to_owned(),
        GUARDIAN_ARGUMENT.to_owned(),
        // Tells whose it is: `audit` finds the engine by it.
        CString::new(job.run_dir.as_os_str().as_encoded_bytes()).unwrap_or_default(),
    ];
    // dup2 onto the numbers in this order must not overwrite a source still needed.
    let lock = lock.as_fd().try_clone_to_owned().context(|| "cannot share the container's lock".into())?;
    let least = PORTS_FD + ports.len() as i32;
    let sources = raise_above(least, [null, memfd, theirs, lock].into_iter().chain(ports))?;
    let (null, rest) = (&sources[0], &sources[1..]);
    let numbers = [0, 1, 2, JOB_FD, CLIENT_FD, LOCK_FD].into_iter().chain(PORTS_FD..);
    let fds = [null; 3].into_iter().chain(rest);
    let inherit: Vec<_> = fds.zip(numbers).map(|(fd, number)| Inherit { fd: fd.as_fd(), number }).collect();
    let environment = sys::failpoint::environment();
    let group = job.cgroup.as_ref().and_then(|_| engine_group());
    let into = group.as_ref().and_then(cgroup::Group::v2_fd);
    let pid = match into.map(|group| process::spawn_into(group, &path, &arguments, &environment, &inherit)) {
        Some(Ok(pid)) => pid,
        // No such group, or no right to it: the guardian stays where its caller is.
        _ => process::spawn(&path, &arguments, &environment, &inherit)?,
    };
    Ok(Client::launched(ours, pid))
}

/// Guardians and supervisors of all containers; beside the containers' own groups.
pub(crate) const ENGINE_GROUP: &str = "/coracle/engine";

/// Opens the engine's own group in the v2 hierarchy, made where it is missing.
fn engine_group() -> Option<cgroup::Group> {
    let path = cgroup::CgroupPath::parse(ENGINE_GROUP).ok()?;
    cgroup::Group::ensure(&cgroup::Hierarchies::detect_v2()?, &path).ok()
}

/// Moves descriptors to numbers from `least` on.
fn raise_above(least: i32, fds: impl IntoIterator<Item = OwnedFd>) -> Result<Vec<OwnedFd>, sys::Error> {
    let raise =
        |fd| rustix::io::fcntl_dupfd_cloexec(&fd, least).context(|| "cannot move a descriptor".into());
    fds.into_iter().map(raise).collect()
}

/// Opens our executable through a read-only clone of its mount: a container process that reaches
/// it as /proc/PID/exe cannot write it (CVE-2019-5736). Without the right to clone mounts
/// the plain file is used; then no container of ours has more rights on it than we do.
fn own_executable() -> Result<OwnedFd, sys::Error> {
    let path = Path::new("/proc/self/exe");
    let read_only = rustix::fs::readlink(path, Vec::new()).ok().and_then(|target| {
        let target = target.into_string().ok()?;
        let tree = mount::clone_host_tree(Path::new(&target), false).ok()?;
        let change = Change { set: mount::Attr::MOUNT_ATTR_RDONLY.bits().into(), ..Change::default() };
        mount::set_attributes(tree.as_fd(), change).ok()?;
        Some(tree)
    });
    match read_only {
        Some(tree) => Ok(tree),
        None => rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).on_path("open", path),
    }
}
