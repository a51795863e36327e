//! Runs another process inside a running container.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use oci::runtime::{Linux, Process, State};
use sys::process::{
    self, Child, CloneOptions, NEWCGROUP, NEWIPC, NEWNET, NEWNS, NEWPID, NEWTIME, NEWUSER, NEWUTS, Pid,
};

use crate::affinity::{Affinity, plan_affinity};
use crate::error::{Error, Failure, Result};
use crate::ids::read_map;
use crate::init::{self, Gate, InitIo};
use crate::plan::{host_id, process_steps, session_steps, shared_steps};
use crate::report::{Message, Report};
use crate::step::{InitStep, Listener, Program};

/// The container to enter.
#[derive(Debug)]
pub struct ExecTarget<'a> {
    pub pid: Pid,
    pub pidfd: BorrowedFd<'a>,
    pub group: Option<&'a cgroup::Group>,
}

/// What to run there.
#[derive(Debug)]
pub struct ExecInput<'a> {
    pub process: &'a Process,
    pub seccomp: Option<(Vec<u8>, u32)>,
    /// Who serves the filter's notifications, and the container's state that it is told.
    pub listener: Option<(Listener, State)>,
    /// The container's own part, where further processes have things from it: memory policy and personality.
    pub linux: Option<&'a Linux>,
    pub stdio: [BorrowedFd<'a>; 3],
    /// The terminal side, when the process gets one; it replaces `stdio`.
    pub terminal: Option<BorrowedFd<'a>>,
    /// How many descriptors above stdio the process inherits under their numbers.
    pub preserve_fds: u32,
}

/// A process that runs inside; it is the caller's child.
#[derive(Debug)]
pub struct Executed {
    pub pid: Pid,
    pub pidfd: OwnedFd,
    pub warnings: Vec<String>,
}

/// Starts the process and returns when its program runs.
///
/// ```text
///   caller ── clone ──> joiner: cgroup, setns(all) ── clone(CLONE_PARENT) ──> process: steps, exec
/// ```
/// The joiner is needed because a pid namespace takes only children; the process is the caller's own
/// child and can be waited for. The caller must be single-threaded.
pub fn exec(target: &ExecTarget<'_>, input: &ExecInput<'_>) -> Result<Executed> {
    if input.process.args.is_empty() {
        return Err(Error::Invalid("`process.args` is empty".into()));
    }
    let affinity = plan_affinity(input.process.exec_cpu_affinity.as_ref())?;
    let rlimits = rlimits(input.process)?;
    // Session first, so that the terminal can become the controlling one.
    let prepare = session_steps(input.process.selinux_label.as_ref())?;
    let mut steps = Vec::new();
    let namespaces = namespaces_to_join(target)?;
    if namespaces & NEWUSER != 0 {
        steps.push(InitStep::BecomeRoot);
    }
    give_streams(target, input, namespaces & NEWUSER != 0)?;
    if let Some(linux) = input.linux {
        shared_steps(linux, &mut steps)?;
    }
    process_steps(input.process, input.seccomp.as_ref(), false, false, &mut steps)?;
    let program = Program {
        args: input.process.args.clone(),
        env: input.process.env.clone(),
        terminal: input.process.terminal,
    };
    let (ours, theirs) = Report::pair()?;
    // Born in the v2 group: a process that moves there waits for every fork of the machine.
    let cgroup = target.group.and_then(cgroup::Group::v2_fd);
    let body = || {
        let own = || limit_self(&theirs, &rlimits, input.process.oom_score_adj, &affinity);
        match join(target, namespaces, own, || run(input, (&prepare, &steps), &program, &theirs)) {
            Ok(pid) => {
                theirs.send(&Message::Init { pid });
                0
            }
            Err(failure) => {
                theirs.send(&Message::Failed(failure));
                1
            }
        }
    };
    let options = CloneOptions { cgroup, ..CloneOptions::default() };
    let joiner = affinity.initially(|| process::clone(options, body))??;
    drop(theirs);
    process::wait(joiner.pid)?;
    let mut heard = Heard::default();
    if let Err(error) = follow(&ours, input, &mut heard) {
        // The failed process is our child; do not leave a zombie.
        if let Some(child) = heard.child {
            // It may wait for an answer that it will not get.
            process::signal(child.pidfd.as_fd(), libc::SIGKILL)?;
            process::wait(child.pid)?;
        }
        return Err(error);
    }
    let child = heard.child.ok_or(Error::Died("exec helper"))?;
    Ok(Executed { pid: child.pid, pidfd: child.pidfd, warnings: heard.warnings })
}

/// What the reports have told.
#[derive(Default)]
struct Heard {
    child: Option<Child>,
    /// A listener that waits to be taken; it may be told of before its process is.
    listener: Option<i32>,
    warnings: Vec<String>,
}

/// Reads reports until the program runs.
fn follow(report: &Report, input: &ExecInput<'_>, heard: &mut Heard) -> Result<()> {
    while let Some(message) = report.receive() {
        match message {
            Message::Warning(text) => heard.warnings.push(text),
            Message::Init { pid } => heard.child = Some(Child { pid, pidfd: process::open_pidfd(pid)? }),
            Message::Listener { number } => heard.listener = Some(number),
            Message::Failed(failure) => return Err(Error::from_failure(failure)),
            _ => {}
        }
        if let (Some(number), Some(child)) = (heard.listener, &heard.child) {
            let (listener, state) = input.listener.as_ref().ok_or(Error::Died("further process"))?;
            crate::listener::hand_over(listener, (child.pid, child.pidfd.as_fd()), number, state)
                .map_err(Error::from_failure)?;
            heard.listener = None;
            report.send_start();
        }
    }
    Ok(())
}

/// Makes the process' user the owner of its standard streams, by the container's own id map.
fn give_streams(target: &ExecTarget<'_>, input: &ExecInput<'_>, mapped: bool) -> Result<()> {
    let map = if mapped { read_map(&format!("/proc/{}/uid_map", target.pid))? } else { Vec::new() };
    let user = host_id(&map, input.process.user.uid, mapped);
    crate::stdio::give_to(user, input.terminal.map_or(input.stdio, |terminal| [terminal; 3]));
    Ok(())
}

/// Which namespaces differ from the caller's: joining one's own user namespace is an error, and
/// the others need not be joined twice.
fn namespaces_to_join(target: &ExecTarget<'_>) -> Result<u64> {
    let kinds = [
        ("user", NEWUSER),
        ("pid", NEWPID),
        ("net", NEWNET),
        ("ipc", NEWIPC),
        ("uts", NEWUTS),
        ("mnt", NEWNS),
        ("cgroup", NEWCGROUP),
        ("time", NEWTIME),
    ];
    let mut flags = 0;
    for (name, flag) in kinds {
        let read = |who: &str| rustix::fs::readlink(format!("/proc/{who}/ns/{name}"), Vec::new());
        let theirs = read(&target.pid.to_string());
        if flag == NEWTIME && theirs == Err(rustix::io::Errno::NOENT) {
            // A kernel without them.
            continue;
        }
        let theirs = theirs.map_err(|errno| {
            sys::Error::new(format!("cannot look at the container's {name} namespace"), errno)
        })?;
        if read("self").is_ok_and(|ours| ours != theirs) {
            flags |= flag;
        }
    }
    Ok(flags)
}

/// Checks the process' resource limits.
fn rlimits(process: &Process) -> Result<Vec<(u32, u64, u64)>> {
    let check = |limit: &oci::runtime::Rlimit| {
        let resource = crate::rlimit::number(&limit.kind)
            .ok_or_else(|| Error::Invalid(format!("unknown rlimit `{}`", limit.kind)))?;
        Ok((resource, limit.soft, limit.hard))
    };
    process.rlimits.iter().map(check).collect()
}

/// Sets what the process inherits while there are the host's credentials to do so.
fn limit_self(
    report: &Report,
    rlimits: &[(u32, u64, u64)],
    oom_score_adj: Option<i32>,
    affinity: &Affinity,
) -> std::result::Result<(), Failure> {
    affinity.finally()?;
    let mut warnings = Vec::new();
    for (resource, soft, hard) in rlimits {
        warnings.extend(crate::rlimit::set(0, *resource, *soft, *hard)?);
    }
    if let Some(value) = oom_score_adj {
        warnings.extend(crate::rlimit::set_oom_score("/proc/self/oom_score_adj", value)?);
    }
    warnings.into_iter().for_each(|warning| report.send(&Message::Warning(warning)));
    Ok(())
}

/// Enters cgroup and namespaces and clones the process there.
fn join(
    target: &ExecTarget<'_>,
    namespaces: u64,
    limit: impl FnOnce() -> std::result::Result<(), Failure>,
    body: impl FnOnce() -> i32,
) -> std::result::Result<Pid, Failure> {
    // Nothing inside may look into us while we change sides (CVE-2016-9962).
    process::set_undumpable()?;
    if let Some(group) = target.group {
        group.attach_self_v1().map_err(|error| Failure::of_group("enter the container's cgroup", &error))?;
    }
    limit()?;
    if namespaces != 0 {
        process::join_namespaces(target.pidfd, namespaces)?;
    }
    let child = process::clone(CloneOptions { sibling: true, ..CloneOptions::default() }, body)?;
    Ok(child.pid)
}

fn run(
    input: &ExecInput<'_>,
    (prepare, steps): (&[InitStep], &[InitStep]),
    program: &Program,
    report: &Report,
) -> i32 {
    let stdio = input.terminal.map_or(input.stdio, |terminal| [terminal; 3]);
    let io = InitIo {
        stdio,
        terminal: input.terminal.is_some(),
        report,
        gate: &Gate::Open,
        preserve_fds: input.preserve_fds,
        hooks: None,
    };
    let keep = [report.as_fd(), stdio[0], stdio[1], stdio[2]];
    if process::close_others_from(io.first_private_fd(), &keep).is_err() {
        return 1;
    }
    init::run(prepare, steps, program, &io, || Some(0));
    1
}
