//! `exec`: another process in a running container, as the caller's own child.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use oci::runtime::Process;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use sys::Context;

use super::attach::{Terminal, with_hint};
use super::feed::Feed;
use super::find::find;
use super::identity::Accounts;
use super::record::ContainerRecord;
use super::spec;
use crate::error::{Doing, Error, Result};
use crate::paths::Engine;
use crate::request::{ExecRequest, Security};

/// How an exec ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecOutcome {
    Ended(u8),
    Detached,
}

/// Runs a program in a container and relays its streams.
///
/// The streams are always pipes or a terminal of the container's own: a descriptor of the caller's
/// never goes inside.
pub fn exec(engine: &Engine, request: &ExecRequest, terminal: &Terminal<'_>) -> Result<ExecOutcome> {
    let container = find(engine, &request.container)?;
    let status = container.running()?;
    if container.is_paused() {
        return Err(Error::conflict(format!(
            "Container {} is paused, unpause the container before exec",
            container.record.id
        ))
        .hint(format!("`coracle unpause {}`", request.container)));
    }
    let pidfd = status
        .open_process()
        .ok_or_else(|| Error::conflict(format!("container `{}` has just ended", request.container)))?;
    let ceiling = spec::ceiling(other_user_namespace(status.pid))?;
    let (mut process, bounding) = process(&container.record, request, ceiling).map_err(not_run)?;
    let confinement = crate::confinement::of(engine, &container.record)?;
    process.selinux_label = confinement.process_label();
    process.apparmor_profile = confinement.apparmor;
    confinement.warnings.iter().for_each(|warning| (terminal.warn)(warning));
    let security = Security { privileged: request.privileged, ..container.record.request.security.clone() };
    let filter = spec::compiled(engine, &security, &bounding)?;
    let group = open_group(status.cgroup.as_deref());
    let target = runtime::ExecTarget { pid: status.pid, pidfd: pidfd.as_fd(), group: group.as_ref() };
    let told = Told::new(engine, &container.record, &request.command)?;
    let what = || format!("cannot run `{}` in container `{}`", request.command.join(" "), request.container);
    if request.tty {
        let console = pty_of(status.pid)?;
        if let Some((rows, columns)) =
            request.console_size.map(|size| (size.height, size.width)).or(terminal.size)
        {
            sys::terminal::set_window_size(console.master.as_fd(), rows, columns)?;
        }
        let null = null()?;
        let input = runtime::ExecInput {
            preserve_fds: 0,
            process: &process,
            seccomp: filter,
            listener: None,
            linux: None,
            stdio: [null.as_fd(); 3],
            terminal: Some(console.terminal.as_fd()),
        };
        let executed = told.around(|| runtime::exec(&target, &input).doing(what).map_err(not_run))?;
        drop(console.terminal);
        if request.detach {
            return Ok(ExecOutcome::Detached);
        }
        return told.end(relay_terminal(&executed, &console.master, request, terminal));
    }
    let pipes = Pipes::new(request)?;
    let input = runtime::ExecInput {
        preserve_fds: 0,
        process: &process,
        seccomp: filter,
        listener: None,
        linux: None,
        stdio: [pipes.inside[0].as_fd(), pipes.inside[1].as_fd(), pipes.inside[2].as_fd()],
        terminal: None,
    };
    let executed = told.around(|| runtime::exec(&target, &input).doing(what).map_err(not_run))?;
    if request.detach {
        return Ok(ExecOutcome::Detached);
    }
    drop(pipes.inside);
    told.end(relay_pipes(&executed, pipes.outside, request, terminal))
}

/// What is told of an exec: that it is asked for, that it runs, and how it has ended where somebody stays with it.
struct Told<'a> {
    engine: &'a Engine,
    record: &'a ContainerRecord,
    id: String,
    command: String,
}

impl<'a> Told<'a> {
    fn new(engine: &'a Engine, record: &'a ContainerRecord, command: &[String]) -> Result<Self> {
        Ok(Self { engine, record, id: super::id::random_id()?, command: command.join(" ") })
    }

    fn tell(&self, action: &str, exit_code: Option<&str>) {
        let id = ("execID", self.id.as_str());
        match exit_code {
            Some(code) => {
                crate::events::of_container(self.engine, self.record, action, &[id, ("exitCode", code)])
            }
            None => crate::events::of_container(self.engine, self.record, action, &[id]),
        }
    }

    fn around<T>(&self, start: impl FnOnce() -> Result<T>) -> Result<T> {
        self.tell(&format!("exec_create: {}", self.command), None);
        let started = start()?;
        self.tell(&format!("exec_start: {}", self.command), None);
        Ok(started)
    }

    fn end(&self, outcome: Result<ExecOutcome>) -> Result<ExecOutcome> {
        if let Ok(ExecOutcome::Ended(code)) = &outcome {
            self.tell("exec_die", Some(&code.to_string()));
        }
        outcome
    }
}

/// Whether a process lives in a user namespace other than ours.
fn other_user_namespace(pid: i32) -> bool {
    let link = |who: &str| rustix::fs::readlink(format!("/proc/{who}/ns/user"), Vec::new()).ok();
    link(&pid.to_string()) != link("self")
}

/// The process as asked, on the container's own configuration.
fn process(record: &ContainerRecord, request: &ExecRequest, ceiling: u64) -> Result<(Process, Vec<String>)> {
    let roots = crate::image::lookup_roots(record)?;
    let accounts = Accounts::read(roots.iter());
    let user = request.user.as_deref().unwrap_or(&record.user);
    let further: &[String] = if request.user.is_none() { &record.request.groups } else { &[] };
    let identity = accounts.identity(user, further)?;
    let mut env = spec::environment(record, &identity);
    if request.user.is_some() && !record.env.iter().any(|entry| entry.starts_with("HOME=")) {
        env.retain(|entry| !entry.starts_with("HOME="));
        env.push(format!("HOME={}", identity.home));
    }
    if request.tty && !env.iter().any(|entry| entry.starts_with("TERM=")) {
        env.push("TERM=xterm".to_owned());
    }
    for change in &request.env {
        let prefix = format!("{}=", change.name);
        env.retain(|entry| !entry.starts_with(&prefix));
        if let Some(value) = &change.value {
            env.push(format!("{prefix}{value}"));
        }
    }
    let mut security = record.request.security.clone();
    security.privileged |= request.privileged;
    let capabilities = spec::granted(&security, &identity, ceiling);
    let bounding = capabilities.bounding.clone();
    let cwd = request.workdir.clone().unwrap_or_else(|| record.workdir.clone().into());
    let process = Process {
        terminal: request.tty,
        cwd,
        env,
        args: request.command.clone(),
        capabilities: Some(capabilities),
        no_new_privileges: security.no_new_privileges,
        user: spec::user(&identity),
        ..Process::default()
    };
    Ok((process, bounding))
}

/// Gives the exit code that Docker gives where the container is there and the program does not come to run.
fn not_run(error: Error) -> Error {
    match error.code() {
        Some(126 | 127) => with_hint(error),
        _ => error.exit_code(126),
    }
}

/// Opens the cgroup of a container, if it has one.
pub(super) fn open_group(path: Option<&str>) -> Option<cgroup::Group> {
    let path = cgroup::CgroupPath::parse(path?).ok()?;
    cgroup::Group::open(&cgroup::Hierarchies::detect().ok()?, &path).ok()
}

pub(super) fn null() -> Result<OwnedFd> {
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
    Ok(rustix::fs::open("/dev/null", flags, rustix::fs::Mode::empty())
        .on_path("open", std::path::Path::new("/dev/null"))?)
}

/// Opens a pty in the container's own devpts: the mount is checked to be one (CVE-2025-52565).
pub(crate) fn pty_of(pid: i32) -> Result<sys::terminal::Pty> {
    let root = sys::Dir::open(format!("/proc/{pid}/root"))?;
    let mount: OwnedFd = root.open_dir("/dev/pts")?.into();
    let kind = rustix::fs::fstatfs(&mount).context(|| "cannot look at the container's /dev/pts".into())?;
    const DEVPTS_SUPER_MAGIC: i64 = 0x1cd1;
    if kind.f_type != DEVPTS_SUPER_MAGIC {
        return Err(
            Error::conflict("the container's /dev/pts is not a devpts file system").hint("run without --tty")
        );
    }
    Ok(sys::terminal::Devpts { mount }.open_pty()?)
}

struct Pipes {
    inside: [OwnedFd; 3],
    /// Our ends: input to write, output and errors to read.
    outside: (Option<OwnedFd>, OwnedFd, OwnedFd),
}

impl Pipes {
    fn new(request: &ExecRequest) -> Result<Self> {
        if request.detach {
            let inside = [null()?, null()?, null()?];
            return Ok(Self { inside, outside: (None, null()?, null()?) });
        }
        let pipe = || pipe_with(PipeFlags::CLOEXEC).context(|| "cannot make a pipe".into());
        let (stdin, writer) = if request.attach.stdin {
            let (reader, writer) = pipe()?;
            (reader, Some(writer))
        } else {
            (null()?, None)
        };
        let (stdout_reader, stdout) = pipe()?;
        let (stderr_reader, stderr) = pipe()?;
        Ok(Self { inside: [stdin, stdout, stderr], outside: (writer, stdout_reader, stderr_reader) })
    }
}

/// Moves bytes until the process has ended and its pipes are empty.
fn relay_pipes(
    executed: &runtime::Executed,
    (writer, stdout, stderr): (Option<OwnedFd>, OwnedFd, OwnedFd),
    request: &ExecRequest,
    terminal: &Terminal<'_>,
) -> Result<ExecOutcome> {
    let mut sources = vec![
        (stdout, terminal.stdout, request.attach.stdout),
        (stderr, terminal.stderr, request.attach.stderr),
    ];
    let mut feed = Feed::new(terminal.stdin, writer);
    let mut ended = false;
    let mut buffer = vec![0u8; 32 * 1024];
    while !sources.is_empty() {
        let mut fds: Vec<PollFd<'_>> =
            sources.iter().map(|(fd, _, _)| PollFd::new(fd, PollFlags::IN)).collect();
        let outputs = fds.len();
        let process = PollFd::new(&executed.pidfd, PollFlags::IN);
        fds.push(if ended { PollFd::new(&executed.pidfd, PollFlags::empty()) } else { process });
        fds.extend(feed.interest());
        let no_wait = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        match poll(&mut fds, ended.then_some(&no_wait)) {
            // It has ended and nothing is left: whoever still holds the pipes is not what was asked for.
            Ok(0) if ended => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(sys::Error::new("cannot wait for output", error).into()),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        ended |= ready[outputs];
        if ready.get(outputs + 1) == Some(&true) {
            feed.go_on();
        }
        let mut index = 0;
        sources.retain(|(fd, target, wanted)| {
            let open = !ready[index] || pass_output(fd, *target, *wanted, &mut buffer);
            index += 1;
            open
        });
    }
    Ok(ExecOutcome::Ended(sys::process::wait(executed.pid)?.code()))
}

/// Returns whether the source is still open.
fn pass_output(source: &OwnedFd, target: BorrowedFd<'_>, wanted: bool, buffer: &mut [u8]) -> bool {
    match rustix::io::read(source, &mut *buffer) {
        Ok(0) => false,
        Ok(count) => !wanted || write_all(target, &buffer[..count]),
        Err(Errno::INTR | Errno::AGAIN) => true,
        Err(_) => false,
    }
}

fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
    true
}

fn relay_terminal(
    executed: &runtime::Executed,
    master: &OwnedFd,
    request: &ExecRequest,
    terminal: &Terminal<'_>,
) -> Result<ExecOutcome> {
    let raw = request.attach.stdin.then(|| sys::terminal::RawMode::enter(terminal.stdin)).flatten();
    let input = request.attach.stdin.then(|| master.try_clone()).transpose();
    let input = input.context(|| "cannot share the terminal".into())?;
    let mut feed = Feed::new(terminal.stdin, input);
    let mut buffer = vec![0u8; 16 * 1024];
    loop {
        let mut fds = vec![PollFd::new(master, PollFlags::IN)];
        fds.push(PollFd::new(&executed.pidfd, PollFlags::IN));
        let signals = terminal.signals.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        let has_signals = signals.is_some();
        fds.extend(signals);
        fds.extend(feed.interest());
        if let Err(error) = poll(&mut fds, None)
            && error != Errno::INTR
        {
            return Err(sys::Error::new("cannot wait for output", error).into());
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        if ready[0] {
            match rustix::io::read(master, &mut buffer) {
                Ok(count) if count > 0 => {
                    write_all(terminal.stdout, &buffer[..count]);
                    continue;
                }
                Err(Errno::INTR | Errno::AGAIN) => {}
                // EIO: every terminal side is closed.
                _ => break,
            }
        }
        if has_signals
            && ready[2]
            && (terminal.take_signals)().contains(&libc::SIGWINCH)
            && let Some((rows, columns)) = sys::terminal::window_size(terminal.stdout)
        {
            let _ = sys::terminal::set_window_size(master.as_fd(), rows, columns);
        }
        if ready.get(2 + usize::from(has_signals)) == Some(&true) {
            feed.go_on();
        }
        if ready[1] && !ready[0] {
            break;
        }
    }
    drop(raw);
    Ok(ExecOutcome::Ended(sys::process::wait(executed.pid)?.code()))
}
