//! The guardian: reaps, and holds what must outlive the supervisor. It never acts.
//!
//! ```text
//!   first      a command launches it; the container's process is its child, whose end it tells the supervisor
//!   successor  a supervisor whose guardian was killed forks it (see `succession`)     ┐ the process is somebody else's:
//!   again      a command finds that nobody accompanies a container and launches it    ┘ its pidfd tells of its end
//! ```

mod holdings;
mod succession;

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use sys::Context;
use sys::process::{self, CloneOptions, Pid};

use crate::job::Job;
use crate::launch::{CLIENT_FD, ENGINE_GROUP, JOB_FD, LOCK_FD, PORTS_FD};
use crate::protocol::{FailureReport, Reply};
use crate::status::Status;
use crate::supervise::{self, Assignment, First};

pub(crate) use holdings::{ContainerEnds, Holdings, null, program_ends, remove_pipes};
pub(crate) use succession::{Successor, succeed};

/// Tells a guardian that the container's input has ended.
pub(crate) const END_OF_INPUT: i32 = libc::SIGUSR1;

/// Everything a guardian has.
#[derive(Debug)]
struct Guardian<'a> {
    job: &'a OwnedFd,
    lock: Option<&'a OwnedFd>,
    holdings: &'a Holdings,
    /// Both ends of the pipe that tells of children's ends; only the guardian has the second one.
    exits: OwnedFd,
    exit_writer: OwnedFd,
    /// The container's first process, where it is not our child.
    process: Option<Stranger>,
    /// Our own pidfd, where supervisors have something to tell us.
    own: Option<OwnedFd>,
}

/// The first process of a run that somebody else is the parent of.
#[derive(Debug)]
pub(crate) struct Stranger {
    pidfd: OwnedFd,
    pid: Pid,
    start_ticks: u64,
}

impl Stranger {
    fn new(pidfd: OwnedFd, status: &Status) -> Self {
        Self { pidfd, pid: status.pid, start_ticks: status.start_ticks }
    }

    /// Its pidfd, if it is the process that this status speaks of: a later run's is its guardian's child.
    pub(crate) fn of_run(&self, status: &Status) -> Option<&OwnedFd> {
        (self.pid == status.pid && self.start_ticks == status.start_ticks).then_some(&self.pidfd)
    }
}

/// Runs a guardian to its end; the process' job and client are on known descriptors.
pub fn main() -> i32 {
    let (Some(job), Some(client)) = (process::take_inherited(JOB_FD), process::take_inherited(CLIENT_FD))
    else {
        return 1;
    };
    // Held by us and every supervisor until all is cleared away: nobody else starts this container meanwhile.
    let lock = process::take_inherited(LOCK_FD);
    guard(&job, client, lock.as_ref()).unwrap_or(1)
}

fn guard(job: &OwnedFd, client: OwnedFd, lock: Option<&OwnedFd>) -> sys::Result<i32> {
    let prepared = prepare(job).and_then(|prepared| Ok((prepared, exit_pipe()?)));
    let ((holdings, first, process), (exits, exit_writer)) = match prepared {
        Ok(parts) => parts,
        Err(error) => {
            let report = FailureReport { text: chain(&error), code: 125 };
            let _ =
                rustix::net::send(&client, &Reply::Failed(report).encode(), rustix::net::SendFlags::NOSIGNAL);
            return Err(error);
        }
    };
    let own = own_pidfd(&holdings)?;
    let guardian = Guardian { job, lock, holdings: &holdings, exits, exit_writer, process, own };
    guardian.accompany(Some(First { ends: first, client }))
}

impl Guardian<'_> {
    /// Has one supervisor after the other, until one of them has ended by itself.
    fn accompany(self, mut first: Option<First>) -> sys::Result<i32> {
        let guardian = std::process::id() as Pid;
        let mut notices = Vec::new();
        loop {
            let start = first.take();
            let writer = self.exit_writer.as_fd();
            let supervisor = process::clone(CloneOptions::default(), || {
                // Only the guardian may hold the writing end: its end of file tells of our death.
                let _ = process::close_one(writer);
                let assignment = Assignment {
                    job: self.job,
                    guardian,
                    guardian_fd: self.own.as_ref(),
                    holdings: self.holdings,
                    exits: &self.exits,
                    process: self.process.as_ref(),
                    lock: self.lock,
                };
                supervise::main(assignment, start)
            })?;
            // The child has them now; the pipes must end when the container's processes do. (`start` was
            // moved into the child's closure and is dropped here in the parent.)
            match reap(supervisor.pid, &self.exit_writer, &mut notices)? {
                // Not a death but a decision: nothing was started, or nothing is left to accompany.
                code @ 0..=255 => return Ok(code),
                _ => std::thread::sleep(std::time::Duration::from_millis(20)),
            }
            // What the dead one has read and not written down.
            for notice in &notices {
                let _ = rustix::io::write(&self.exit_writer, notice);
            }
        }
    }
}

fn exit_pipe() -> sys::Result<(OwnedFd, OwnedFd)> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).context(|| "cannot make a pipe".into())
}

/// Listens to the supervisors' one word, where there is an input that may end.
fn own_pidfd(holdings: &Holdings) -> sys::Result<Option<OwnedFd>> {
    let Some(stdin) = &holdings.stdin else { return Ok(None) };
    sys::signals::empty_on(END_OF_INPUT, stdin.as_fd())?;
    process::open_pidfd(std::process::id() as Pid).map(Some)
}

/// A child's pid and wait status.
type Notice = [u8; 8];

/// How many notices are kept for later supervisors. The container's process is among the last: those before it are
/// the few that made it.
const NOTICES_KEPT: usize = 16;

/// Reaps every child, telling the supervisor, until the supervisor itself has ended. Returns its exit
/// code, or -1 if it was killed.
fn reap(supervisor: Pid, exits: &OwnedFd, notices: &mut Vec<Notice>) -> sys::Result<i32> {
    loop {
        let Some((pid, status)) = process::wait_any()? else { return Ok(-1) };
        if pid == supervisor {
            return Ok(match process::ExitStatus::from_wait(status) {
                process::ExitStatus::Code(code) => i32::from(code),
                process::ExitStatus::Signal(_) => -1,
            });
        }
        let mut notice: Notice = [0; 8];
        notice[..4].copy_from_slice(&pid.to_le_bytes());
        notice[4..].copy_from_slice(&status.to_le_bytes());
        let _ = rustix::io::write(exits, &notice);
        if notices.len() == NOTICES_KEPT {
            notices.remove(0);
        }
        notices.push(notice);
    }
}

/// What it holds, what the first supervisor needs if the container is yet to be made, and the container's process if it
/// runs already.
type Prepared = (Holdings, Option<ContainerEnds>, Option<Stranger>);

fn prepare(job: &OwnedFd) -> sys::Result<Prepared> {
    sys::signals::unblock_all();
    become_guardian()?;
    rustix::process::chdir("/").context(|| "cannot leave the working directory".into())?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let job = read_job(job)?;
    let ports = take_ports(&job)?;
    let hierarchies = job.cgroup.as_ref().and_then(|_| cgroup::Hierarchies::detect().ok());
    if let Some(hierarchies) = &hierarchies {
        leave_session(hierarchies);
    }
    let listener = listen_at(&job.run_dir)?;
    if !job.again {
        let (holdings, ends) = Holdings::new(&job, listener, ports, hierarchies)?;
        return Ok((holdings, Some(ends), None));
    }
    // A zombie too: its end is yet to be written down.
    let status = Status::load(&job.run_dir)?;
    let process = status.and_then(|status| {
        let pidfd = process::open_pidfd(status.pid).ok()?;
        status.is_there().then(|| Stranger::new(pidfd, &status))
    });
    let gone = || sys::Error::new("the container's process has ended", std::io::ErrorKind::NotFound);
    let process = process.ok_or_else(gone)?;
    Ok((Holdings::again(&job, listener, ports, hierarchies), None, Some(process)))
}

fn become_guardian() -> sys::Result<()> {
    sys::failpoint::enter(sys::failpoint::Role::Guardian);
    let _ = rustix::process::setsid();
    let _ = process::set_name(c"coracle-guard");
    process::become_subreaper()
}

/// Takes the inherited sockets of the published ports, and closes all else that came along; nothing of ours is open yet.
fn take_ports(job: &Job) -> sys::Result<Vec<OwnedFd>> {
    let count = job.network.as_ref().map_or(0, |network| network.ports.len()) as i32;
    let missing =
        || sys::Error::new("cannot find the sockets of published ports", std::io::ErrorKind::NotFound);
    let ports =
        (PORTS_FD..PORTS_FD + count).map(|number| process::take_inherited(number).ok_or_else(missing));
    let ports = ports.collect::<sys::Result<_>>()?;
    let _ = process::close_from(PORTS_FD + count);
    Ok(ports)
}

/// Moves this process, and so its supervisors, out of the caller's v1 cgroups: the end of a login session or of a
/// service ends what is in its groups, and their limits are not meant for us. In the v2 one it was born. Where
/// that is not possible we stay, and live as long as the caller's groups do.
fn leave_session(hierarchies: &cgroup::Hierarchies) {
    let group =
        cgroup::CgroupPath::parse(ENGINE_GROUP).and_then(|path| cgroup::Group::ensure(hierarchies, &path));
    let _ = group.and_then(|group| group.attach_self_v1());
}

/// Reads the job from its memory file, whatever was read of it before.
pub(crate) fn read_job(memfd: &OwnedFd) -> sys::Result<Job> {
    let size = rustix::fs::fstat(memfd).context(|| "cannot look at the job".into())?.st_size as usize;
    let mut bytes = vec![0; size];
    let mut done = 0;
    while done < size {
        let count = rustix::io::pread(memfd, &mut bytes[done..], done as u64)
            .context(|| "cannot read the job".into())?;
        if count == 0 {
            break;
        }
        done += count;
    }
    postcard::from_bytes(&bytes)
        .map_err(|error| sys::Error::new("cannot understand the job", std::io::Error::other(error)))
}

/// Binds the container's socket; through /proc/self/fd where the path exceeds 107 bytes (unix(7)).
fn listen_at(run_dir: &Path) -> sys::Result<OwnedFd> {
    let path = run_dir.join("sock");
    let socket = socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )
    .context(|| "cannot make a socket".into())?;
    let address = crate::client::address(&path)?;
    let _ = rustix::fs::unlink(&path);
    sys::failpoint::step();
    let bound: &SocketAddrUnix = &address.address;
    bind(&socket, bound).on_path("bind", &path)?;
    listen(&socket, 16).on_path("listen on", &path)?;
    Ok(socket)
}

/// Joins an error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
