//! Init: applies its steps inside the namespaces and becomes the program. It decides nothing.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use oci::runtime::{State, Status};
use rustix::io::Errno;
use sys::credentials;
use sys::process::{self, NEWNS, SchedulerAttributes};
use sys::{Context, Dir};

use crate::attributes;
use crate::error::{Failure, FailureKind};
use crate::report::{Message, Report};
use crate::step::{Hook, InitStep, Program};

type Outcome<T> = Result<T, Failure>;

/// The descriptors init works with until exec closes them.
pub(crate) struct InitIo<'a> {
    pub(crate) stdio: [BorrowedFd<'a>; 3],
    /// Set when the program gets a terminal of its own: the session's controlling one.
    pub(crate) terminal: bool,
    pub(crate) report: &'a Report,
    pub(crate) gate: &'a Gate,
    /// How many descriptors above stdio the program inherits under their numbers.
    pub(crate) preserve_fds: u32,
    /// What runs right before the program, and the state it is told.
    pub(crate) hooks: Option<(&'a [Hook], &'a State)>,
}

impl InitIo<'_> {
    /// Returns the first descriptor number that the program does not inherit.
    pub(crate) fn first_private_fd(&self) -> i32 {
        3 + self.preserve_fds.cast_signed()
    }
}

/// What a gated init waits for.
#[derive(Debug)]
pub enum Gate {
    /// Starts at once.
    Open,
    /// A byte on the report socket.
    Report,
    /// A connection to this listener; exec errors are reported on it.
    Listener(OwnedFd),
}

/// Applies steps in order.
pub(crate) fn apply_all(steps: &[InitStep], io: &InitIo<'_>, start: &mut Option<Report>) -> Outcome<()> {
    for step in steps {
        apply(step, io, start)?;
    }
    Ok(())
}

fn apply(step: &InitStep, io: &InitIo<'_>, start: &mut Option<Report>) -> Outcome<()> {
    match step {
        InitStep::NewSession => {
            rustix::process::setsid().context(|| "cannot start a session".into())?;
        }
        InitStep::SessionKeyring => {
            // A kernel without keyrings, or a filter that forbids them, has nothing to hide.
            let _ = process::new_session_keyring();
        }
        InitStep::Hostname { name } => rustix::system::sethostname(name.as_bytes())
            .context(|| format!("cannot set the host name to `{name}`"))?,
        InitStep::Domainname { name } => rustix::system::setdomainname(name.as_bytes())
            .context(|| format!("cannot set the domain name to `{name}`"))?,
        InitStep::LoopbackUp => sys::loopback::bring_up()?,
        InitStep::LockMounts => process::unshare(NEWNS)?,
        InitStep::BecomeRoot => credentials::set_ids(0, 0, &[])?,
        InitStep::Personality { domain } => process::set_personality(*domain)?,
        InitStep::IoPriority { class, priority } => process::set_io_priority(*class, *priority)?,
        InitStep::Scheduler(step) => process::set_scheduler(SchedulerAttributes {
            policy: step.policy,
            flags: step.flags,
            nice: step.nice,
            priority: step.priority,
            runtime: step.runtime,
            deadline: step.deadline,
            period: step.period,
            ..SchedulerAttributes::default()
        })?,
        InitStep::MemoryPolicy { mode, nodes } => process::set_memory_policy(*mode, nodes)?,
        InitStep::AppArmor { profile } => attributes::change_profile_on_exec(profile)?,
        InitStep::SelinuxLabel { label } => attributes::change_label_on_exec(label)?,
        InitStep::KeyringLabel { label } => attributes::label_keyrings(label)?,
        InitStep::Bounding { keep } => credentials::drop_bounding(*keep)?,
        InitStep::Seccomp { program, flags } => {
            if let Some(listener) = credentials::load_seccomp(program, *flags)?
                && !io.report.offer_listener(&listener)
            {
                // The creator is gone, or has told why the agent cannot have it.
                process::exit_now(1);
            }
        }
        InitStep::Umask { mask } => {
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(*mask));
        }
        InitStep::Identity { uid, gid, groups, capabilities } => {
            become_user(*uid, *gid, groups, (*capabilities).into())?;
        }
        InitStep::WorkingDirectory { path, create } => working_directory(path, *create)?,
        InitStep::NoNewPrivileges => credentials::set_no_new_privileges()?,
        InitStep::Gate => *start = wait_at_gate(io)?,
    }
    Ok(())
}

/// Changes ids and capabilities in the order capabilities(7) needs: the bounding set is gone
/// already, the ambient set can only hold what is permitted and inheritable.
fn become_user(uid: u32, gid: u32, groups: &[u32], sets: credentials::CapabilitySets) -> Outcome<()> {
    credentials::keep_capabilities(true)?;
    credentials::set_ids(uid, gid, groups)?;
    credentials::keep_capabilities(false)?;
    credentials::set_capabilities(sets)?;
    credentials::set_ambient(sets.ambient)?;
    // Ids have changed, which may have made us dumpable again (prctl(2)).
    process::set_undumpable()?;
    Ok(())
}

/// Enters the working directory, and refuses one that is not below the root: a leaked descriptor of
/// the host can be reached as /proc/self/fd/N (CVE-2024-21626).
fn working_directory(path: &Path, create: bool) -> Outcome<()> {
    if create {
        let root = Dir::open("/")?;
        if !root.exists(path).unwrap_or(true) {
            root.mkdir_all(path, 0o755)
                .map_err(|error| Failure::from(error).during("cannot make the working directory"))?;
        }
        return Ok(());
    }
    rustix::process::chdir(path).on_path("enter the working directory", path)?;
    let inside = rustix::process::getcwd(Vec::new()).is_ok_and(|cwd| cwd.as_bytes().first() == Some(&b'/'));
    if !inside {
        return Err(Failure::refused(format!(
            "the working directory `{}` is outside the container's root",
            path.display()
        )));
    }
    Ok(())
}

fn wait_at_gate(io: &InitIo<'_>) -> Outcome<Option<Report>> {
    io.report.send(&Message::Ready);
    match io.gate {
        Gate::Open => Ok(None),
        Gate::Report => {
            if !io.report.wait_for_start() {
                // The creator is gone or has given up: nobody will ever start this container.
                process::exit_now(1);
            }
            Ok(None)
        }
        Gate::Listener(listener) => {
            let connection = rustix::net::accept_with(listener, rustix::net::SocketFlags::CLOEXEC)
                .context(|| "cannot wait for the start".into())?;
            Ok(Some(Report::from_fd(connection)))
        }
    }
}

/// Puts stdio in place; the terminal becomes the controlling one.
pub(crate) fn take_stdio(io: &InitIo<'_>) -> Outcome<()> {
    for (number, fd) in io.stdio.iter().enumerate() {
        process::dup_onto(*fd, number as i32)?;
    }
    if io.terminal {
        sys::terminal::set_controlling(rustix::stdio::stdin())?;
    }
    Ok(())
}

/// A program that was found, ready for execve.
pub(crate) struct Executable {
    path: CString,
    argv: Vec<CString>,
    environment: Vec<CString>,
}

impl Executable {
    /// Finds the program along the container's own PATH, as its user, and says why not.
    pub(crate) fn find(program: &Program) -> Outcome<Self> {
        let name = &program.args[0];
        let text = |s: &String| {
            CString::new(s.as_str()).map_err(|_| Failure::refused(format!("`{s:?}` holds a NUL byte")))
        };
        let path = locate(name, &program.env)?;
        Ok(Self {
            path: text(&path)?,
            argv: program.args.iter().map(text).collect::<Outcome<_>>()?,
            environment: program.env.iter().map(text).collect::<Outcome<_>>()?,
        })
    }

    /// Becomes the program; returns only the reason why not.
    pub(crate) fn run(&self, first_private_fd: i32) -> Failure {
        // Everything but stdio and what was asked for closes at exec, whatever a parent has leaked.
        if let Err(error) = process::cloexec_from(first_private_fd) {
            return error.into();
        }
        let error = process::exec(&self.path, &self.argv, &self.environment);
        exec_failure(&self.path.to_string_lossy(), error.raw_os_error().unwrap_or(0))
    }
}

fn locate(name: &str, environment: &[String]) -> Outcome<String> {
    if name.is_empty() {
        return Err(Failure {
            kind: FailureKind::ProgramNotFound,
            ..Failure::refused("the command is empty")
        });
    }
    if name.contains('/') {
        return match executable(name) {
            Ok(()) => Ok(name.to_owned()),
            Err(errno) => Err(exec_failure(name, errno.raw_os_error())),
        };
    }
    const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let search = environment.iter().rev().find_map(|e| e.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH);
    let mut denied = None;
    for directory in search.split(':') {
        let directory = if directory.is_empty() { "." } else { directory };
        let candidate = format!("{directory}/{name}");
        match executable(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(Errno::ACCESS) => denied = Some(candidate),
            Err(_) => {}
        }
    }
    match denied {
        Some(candidate) => Err(exec_failure(&candidate, libc::EACCES)),
        None => Err(Failure {
            kind: FailureKind::ProgramNotFound,
            what: format!("exec: \"{name}\": executable file not found in $PATH"),
            errno: None,
        }),
    }
}

fn executable(path: &str) -> Result<(), Errno> {
    let stat = rustix::fs::stat(path)?;
    if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() {
        return Err(Errno::ACCESS);
    }
    rustix::fs::accessat(rustix::fs::CWD, path, rustix::fs::Access::EXEC_OK, rustix::fs::AtFlags::EACCESS)
}

fn exec_failure(path: &str, errno: i32) -> Failure {
    let kind = match errno {
        libc::ENOENT | libc::ENOTDIR | libc::ELOOP => FailureKind::ProgramNotFound,
        _ => FailureKind::ProgramNotExecutable,
    };
    Failure { kind, what: format!("exec: \"{path}\""), errno: Some(errno) }
}

/// Everything of init between its birth and the program. Init learns its pid on the host from the builder.
pub(crate) fn run(
    prepare: &[InitStep],
    steps: &[InitStep],
    program: &Program,
    io: &InitIo<'_>,
    wait_for_builder: impl FnOnce() -> Option<process::Pid>,
) -> Failure {
    let mut start = None;
    let outcome = (|| {
        process::set_undumpable()?;
        sys::signals::reset();
        apply_all(prepare, io, &mut start)?;
        // Otherwise the builder has told why.
        let Some(pid) = wait_for_builder() else { process::exit_now(1) };
        take_stdio(io)?;
        // A missing program is an error of the creation, before anybody waits at a gate.
        let (gate, rest): (Vec<_>, Vec<_>) = steps.iter().partition(|step| matches!(step, InitStep::Gate));
        for step in rest {
            apply(step, io, &mut start)?;
        }
        let executable = Executable::find(program)?;
        for step in gate {
            apply(step, io, &mut start)?;
        }
        if let Some((hooks, state)) = io.hooks {
            let state = State { pid, status: Status::Created, ..state.clone() };
            crate::hooks::run_stage("startContainer", hooks, &state)?;
        }
        Ok(executable)
    })();
    let failure = match outcome {
        Ok(executable) => executable.run(io.first_private_fd()),
        Err(failure) => failure,
    };
    let report = start.as_ref().unwrap_or(io.report);
    report.send(&Message::Failed(failure.clone()));
    failure
}

impl AsFd for Report {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket()
    }
}
