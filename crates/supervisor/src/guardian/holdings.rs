//! The descriptors that must outlive a supervisor, and how they are made or found again.
//!
//! Output goes through named pipes, which the container's program has open for reading and writing:
//!
//! ```text
//!   RUN_ROOT/containers/ID/{stdout,stderr}
//!     program ── O_RDWR ──> pipe ── O_RDONLY ──> guardian, supervisor
//! ```
//! With the readers of an anonymous pipe its bytes go too, and whoever writes is killed by SIGPIPE. A named one waits,
//! and is found again by name. With a name and only the usual writing end, a moment without readers would still be
//! EPIPE, so the program's end must be a reader as well; it never reads. Its owner is the container's user, as that of a
//! pipe (`runtime`'s `stdio`). Input is an anonymous pipe: one that its reader has open for writing never ends.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, XattrFlags, fstat, lsetxattr, mknodat, open, unlink};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::pipe::{PipeFlags, pipe_with};
use sys::Context;

use crate::job::Job;

/// The descriptors a guardian keeps for every supervisor it starts.
#[derive(Debug)]
pub(crate) struct Holdings {
    /// Reading ends of the container's output; both are absent with a terminal.
    pub(crate) stdout: Option<OwnedFd>,
    pub(crate) stderr: Option<OwnedFd>,
    /// The writing end of its input; something else once that has ended.
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) console: Option<runtime::Console>,
    /// A socket that is read by nobody, with both its ends: what supervisors put there outlives them. Only with a terminal.
    pub(crate) shelf: Option<(OwnedFd, OwnedFd)>,
    pub(crate) listener: OwnedFd,
    /// The sockets of the published ports, as the job lists them.
    pub(crate) ports: Vec<OwnedFd>,
    /// What was found out about the machine's cgroups, if it has any.
    pub(crate) hierarchies: Option<cgroup::Hierarchies>,
}

/// The other ends, which only a supervisor that makes the container needs.
#[derive(Debug)]
pub(crate) struct ContainerEnds {
    pub(crate) stdin: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

const STDOUT: &str = "stdout";
const STDERR: &str = "stderr";

impl Holdings {
    /// Makes everything for a container that is to be started.
    pub(super) fn new(
        job: &Job,
        listener: OwnedFd,
        ports: Vec<OwnedFd>,
        hierarchies: Option<cgroup::Hierarchies>,
    ) -> sys::Result<(Self, ContainerEnds)> {
        let mut holdings = Self {
            stdout: None,
            stderr: None,
            stdin: None,
            console: None,
            shelf: None,
            listener,
            ports,
            hierarchies,
        };
        if job.terminal {
            let console = runtime::Console::new(&job.plan).map_err(|error| {
                sys::Error::new(format!("cannot make a terminal: {error}"), std::io::ErrorKind::Other)
            })?;
            if let Some((rows, columns)) = job.terminal_size {
                sys::terminal::set_window_size(console.pty.master.as_fd(), rows, columns)?;
            }
            holdings.console = Some(console);
            holdings.shelf = Some(shelf()?);
            let ends = ContainerEnds { stdin: null()?, stdout: null()?, stderr: null()? };
            return Ok((holdings, ends));
        }
        let label = job.file_label.as_deref();
        let (stdout, stdout_end) = named_pipe(&job.run_dir.join(STDOUT), label)?;
        let (stderr, stderr_end) = named_pipe(&job.run_dir.join(STDERR), label)?;
        let stdin = if job.open_stdin {
            let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).context(|| "cannot make a pipe".into())?;
            holdings.stdin = Some(writer);
            reader
        } else {
            null()?
        };
        (holdings.stdout, holdings.stderr) = (Some(stdout), Some(stderr));
        Ok((holdings, ContainerEnds { stdin, stdout: stdout_end, stderr: stderr_end }))
    }

    /// Takes what can be had again of a container that lost its guardian and its supervisor. Its input has ended and its
    /// terminal was hung up when they did.
    pub(super) fn again(
        job: &Job,
        listener: OwnedFd,
        ports: Vec<OwnedFd>,
        hierarchies: Option<cgroup::Hierarchies>,
    ) -> Self {
        let pipe = |name: &str| reading_end(&job.run_dir.join(name)).ok().filter(|_| !job.terminal);
        Self {
            stdout: pipe(STDOUT),
            stderr: pipe(STDERR),
            stdin: None,
            console: None,
            shelf: None,
            listener,
            ports,
            hierarchies,
        }
    }

    /// The writing end of the container's input, unless it has ended.
    pub(crate) fn open_stdin(&self) -> Option<&OwnedFd> {
        self.stdin.as_ref().filter(|fd| is_pipe(fd))
    }

    /// Everything that is held.
    pub(super) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let mut all: Vec<BorrowedFd<'_>> = vec![self.listener.as_fd()];
        all.extend([&self.stdout, &self.stderr, &self.stdin].into_iter().flatten().map(AsFd::as_fd));
        all.extend(self.ports.iter().map(AsFd::as_fd));
        if let Some(console) = &self.console {
            let (devpts, pty) = (&console.devpts, &console.pty);
            all.extend([devpts.mount.as_fd(), pty.master.as_fd(), pty.terminal.as_fd()]);
        }
        all.extend(self.shelf.iter().flat_map(|(one, other)| [one.as_fd(), other.as_fd()]));
        all.extend(self.hierarchies.iter().flat_map(cgroup::Hierarchies::descriptors));
        all
    }
}

/// Opens the program's ends of the output pipes again, for another run.
pub(crate) fn program_ends(run_dir: &Path) -> sys::Result<(OwnedFd, OwnedFd)> {
    Ok((program_end(&run_dir.join(STDOUT))?, program_end(&run_dir.join(STDERR))?))
}

fn program_end(path: &PathBuf) -> sys::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    open(path, flags, Mode::empty()).on_path("open", path)
}

fn shelf() -> sys::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socketpair(AddressFamily::UNIX, SocketType::DGRAM, flags, None)
        .context(|| "cannot make a socket".into())
}

pub(crate) fn null() -> sys::Result<OwnedFd> {
    open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).on_path("open", Path::new("/dev/null"))
}

/// Makes a named pipe, with a SELinux label where there is one; returns its reading end and the program's.
fn named_pipe(path: &PathBuf, label: Option<&str>) -> sys::Result<(OwnedFd, OwnedFd)> {
    let mode = Mode::RUSR | Mode::WUSR;
    // An earlier run's may still be open somewhere.
    let _ = unlink(path);
    sys::failpoint::step();
    mknodat(CWD, path, FileType::Fifo, mode, 0).on_path("make the pipe", path)?;
    if let Some(label) = label {
        lsetxattr(path, "security.selinux", label.as_bytes(), XattrFlags::empty())
            .on_path("label the pipe", path)?;
    }
    let reader = reading_end(path)?;
    Ok((reader, program_end(path)?))
}

fn reading_end(path: &PathBuf) -> sys::Result<OwnedFd> {
    // Without O_NONBLOCK this would wait for somebody to open the other end.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = open(path, flags, Mode::empty()).on_path("open", path)?;
    match is_pipe(&fd) {
        true => Ok(fd),
        false => {
            Err(sys::Error::new(format!("`{}` is no pipe", path.display()), std::io::ErrorKind::InvalidInput))
        }
    }
}

fn is_pipe(fd: &OwnedFd) -> bool {
    fstat(fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo)
}

/// Removes the names of the pipes of a container that has ended and stays.
pub(crate) fn remove_pipes(run_dir: &Path) {
    for name in [STDOUT, STDERR] {
        let _ = unlink(run_dir.join(name));
    }
}
