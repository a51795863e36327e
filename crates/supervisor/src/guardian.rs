//! The guardian: reaps, and holds what must outlive the supervisor. It never acts.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use rustix::pipe::{PipeFlags, pipe_with};
use sys::Context;
use sys::process::{self, CloneOptions, Pid};

use crate::job::Job;
use crate::launch::{CLIENT_FD, ENGINE_GROUP, JOB_FD, LOCK_FD, PORTS_FD};
use crate::protocol::{FailureReport, Reply};
use crate::supervise::{self, Assignment};

/// The descriptors a guardian keeps for every supervisor it starts.
#[derive(Debug)]
pub(crate) struct Holdings {
    /// Reading ends of the container's output; both are absent with a terminal.
    pub(crate) stdout: Option<OwnedFd>,
    pub(crate) stderr: Option<OwnedFd>,
    pub(crate) console: Option<runtime::Console>,
    pub(crate) listener: OwnedFd,
    /// The ends of all children, as (pid, wait status) pairs.
    pub(crate) exits: OwnedFd,
    /// The sockets of the published ports, as the job lists them.
    pub(crate) ports: Vec<OwnedFd>,
    /// What was found out about the machine's cgroups, if it has any.
    pub(crate) hierarchies: Option<cgroup::Hierarchies>,
}

/// The other ends, which only the first supervisor needs.
#[derive(Debug)]
pub(crate) struct ContainerEnds {
    pub(crate) stdin: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    pub(crate) stdin_writer: Option<OwnedFd>,
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
    let prepared = prepare(job);
    let (holdings, ends, exit_writer) = match prepared {
        Ok(parts) => parts,
        Err(error) => {
            let report = FailureReport { text: chain(&error), code: 125 };
            let _ =
                rustix::net::send(&client, &Reply::Failed(report).encode(), rustix::net::SendFlags::NOSIGNAL);
            return Err(error);
        }
    };
    let guardian = std::process::id() as Pid;
    let mut first = Some((ends, client));
    loop {
        let start = first.take();
        let writer = exit_writer.as_fd();
        let supervisor = process::clone(CloneOptions::default(), || {
            // Only the guardian may hold the writing end: its end of file tells of our death.
            let _ = process::close_one(writer);
            let assignment = Assignment { job, guardian, holdings: &holdings, lock };
            supervise::main(assignment, start)
        })?;
        // The child has them now; the pipes must end when the container's processes do. (`start` was
        // moved into the child's closure and is dropped here in the parent.)
        match reap(supervisor.pid, &exit_writer)? {
            0 => return Ok(0),
            // Not a death but a decision: nothing was started, or nothing is left to accompany.
            code @ 1..=255 => return Ok(code),
            _ => std::thread::sleep(std::time::Duration::from_millis(20)),
        }
    }
}

/// Reaps every child, telling the supervisor, until the supervisor itself has ended. Returns its exit
/// code, or -1 if it was killed.
fn reap(supervisor: Pid, exits: &OwnedFd) -> sys::Result<i32> {
    loop {
        let Some((pid, status)) = process::wait_any()? else { return Ok(-1) };
        if pid == supervisor {
            return Ok(match process::ExitStatus::from_wait(status) {
                process::ExitStatus::Code(code) => i32::from(code),
                process::ExitStatus::Signal(_) => -1,
            });
        }
        let mut notice = [0u8; 8];
        notice[..4].copy_from_slice(&pid.to_le_bytes());
        notice[4..].copy_from_slice(&status.to_le_bytes());
        let _ = rustix::io::write(exits, &notice);
    }
}

fn prepare(job: &OwnedFd) -> sys::Result<(Holdings, ContainerEnds, OwnedFd)> {
    sys::signals::unblock_all();
    let _ = rustix::process::setsid();
    let _ = process::set_name(c"coracle-guard");
    rustix::process::chdir("/").context(|| "cannot leave the working directory".into())?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    process::become_subreaper()?;
    let job = read_job(job)?;
    let ports = take_ports(&job)?;
    let hierarchies = job.cgroup.as_ref().and_then(|_| cgroup::Hierarchies::detect().ok());
    if let Some(hierarchies) = &hierarchies {
        leave_session(hierarchies);
    }
    let listener = listen_at(&job.run_dir)?;
    let pipe = || pipe_with(PipeFlags::CLOEXEC).context(|| "cannot make a pipe".into());
    let (exits, exit_writer) = pipe()?;
    let null = || {
        rustix::fs::open("/dev/null", rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC, Mode::empty())
            .on_path("open", Path::new("/dev/null"))
    };
    if job.terminal {
        let console = runtime::Console::new(&job.plan).map_err(|error| {
            sys::Error::new(format!("cannot make a terminal: {error}"), std::io::ErrorKind::Other)
        })?;
        if let Some((rows, columns)) = job.terminal_size {
            sys::terminal::set_window_size(console.pty.master.as_fd(), rows, columns)?;
        }
        let ends = ContainerEnds { stdin: null()?, stdout: null()?, stderr: null()?, stdin_writer: None };
        let holdings = Holdings {
            stdout: None,
            stderr: None,
            console: Some(console),
            listener,
            exits,
            ports,
            hierarchies,
        };
        return Ok((holdings, ends, exit_writer));
    }
    let (stdout, stdout_end) = pipe()?;
    let (stderr, stderr_end) = pipe()?;
    let (stdin, stdin_writer) = if job.open_stdin {
        let (reader, writer) = pipe()?;
        (reader, Some(writer))
    } else {
        (null()?, None)
    };
    let ends = ContainerEnds { stdin, stdout: stdout_end, stderr: stderr_end, stdin_writer };
    let holdings = Holdings {
        stdout: Some(stdout),
        stderr: Some(stderr),
        console: None,
        listener,
        exits,
        ports,
        hierarchies,
    };
    Ok((holdings, ends, exit_writer))
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
