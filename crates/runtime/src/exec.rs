//! Runs another process inside a running container.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use oci::runtime::{IdMapping, Process};
use sys::process::{self, CloneOptions, NEWCGROUP, NEWIPC, NEWNET, NEWNS, NEWPID, NEWUSER, NEWUTS, Pid};

use crate::error::{Error, Failure, Result};
use crate::init::{self, Gate, InitIo};
use crate::plan::{host_id, process_steps};
use crate::report::{Message, Report};
use crate::step::{InitStep, Program};

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
    pub stdio: [BorrowedFd<'a>; 3],
    /// The terminal side, when the process gets one; it replaces `stdio`.
    pub terminal: Option<BorrowedFd<'a>>,
}

/// A process that runs inside; it is the caller's child.
#[derive(Debug)]
pub struct Executed {
    pub pid: Pid,
    pub pidfd: OwnedFd,
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
    let mut steps = vec![InitStep::NewSession, InitStep::SessionKeyring];
    let namespaces = namespaces_to_join(target)?;
    if namespaces & NEWUSER != 0 {
        steps.push(InitStep::BecomeRoot);
    }
    give_streams(target, input, namespaces & NEWUSER != 0)?;
    process_steps(input.process, input.seccomp.as_ref(), false, false, &mut steps)?;
    let program = Program {
        args: input.process.args.clone(),
        env: input.process.env.clone(),
        terminal: input.process.terminal,
    };
    let (ours, theirs) = Report::pair()?;
    let joiner = process::clone(CloneOptions::default(), || {
        match join(target, namespaces, || run(input, &steps, &program, &theirs)) {
            Ok(pid) => {
                theirs.send(&Message::Init { pid });
                0
            }
            Err(failure) => {
                theirs.send(&Message::Failed(failure));
                1
            }
        }
    })?;
    drop(theirs);
    process::wait(joiner.pid)?;
    let mut pid = None;
    loop {
        match ours.receive() {
            Some(Message::Init { pid: started }) => pid = Some(started),
            Some(Message::Failed(failure)) => {
                // The failed process is our child; do not leave a zombie.
                if let Some(pid) = pid {
                    process::wait(pid)?;
                }
                return Err(Error::from_failure(failure));
            }
            Some(_) => {}
            None => break,
        }
    }
    let pid = pid.ok_or(Error::Died("exec helper"))?;
    Ok(Executed { pid, pidfd: process::open_pidfd(pid)? })
}

/// Makes the process' user the owner of its standard streams, by the container's own id map.
fn give_streams(target: &ExecTarget<'_>, input: &ExecInput<'_>, mapped: bool) -> Result<()> {
    let map = if mapped { read_map(target.pid)? } else { Vec::new() };
    let user = host_id(&map, input.process.user.uid, mapped);
    crate::stdio::give_to(user, input.terminal.map_or(input.stdio, |terminal| [terminal; 3]));
    Ok(())
}

/// Reads the user id map of a process (user_namespaces(7)).
fn read_map(pid: Pid) -> Result<Vec<IdMapping>> {
    let text = sys::fs::read_to_string(format!("/proc/{pid}/uid_map"))?;
    let line = |line: &str| {
        let numbers: Vec<u32> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [container_id, host_id, size] = numbers[..] else { return None };
        Some(IdMapping { container_id, host_id, size })
    };
    Ok(text.lines().filter_map(line).collect())
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
    ];
    let mut flags = 0;
    for (name, flag) in kinds {
        let read = |who: &str| rustix::fs::readlink(format!("/proc/{who}/ns/{name}"), Vec::new());
        let theirs = read(&target.pid.to_string()).map_err(|errno| {
            sys::Error::new(format!("cannot look at the container's {name} namespace"), errno)
        })?;
        if read("self").is_ok_and(|ours| ours != theirs) {
            flags |= flag;
        }
    }
    Ok(flags)
}

/// Enters cgroup and namespaces and clones the process there.
fn join(
    target: &ExecTarget<'_>,
    namespaces: u64,
    body: impl FnOnce() -> i32,
) -> std::result::Result<Pid, Failure> {
    // Nothing inside may look into us while we change sides (CVE-2016-9962).
    process::set_undumpable()?;
    if let Some(group) = target.group {
        group
            .attach_self()
            .map_err(|error| Failure::refused(format!("cannot enter the container's cgroup: {error}")))?;
    }
    if namespaces != 0 {
        process::join_namespaces(target.pidfd, namespaces)?;
    }
    let child = process::clone(CloneOptions { sibling: true, ..CloneOptions::default() }, body)?;
    Ok(child.pid)
}

fn run(input: &ExecInput<'_>, steps: &[InitStep], program: &Program, report: &Report) -> i32 {
    let stdio = input.terminal.map_or(input.stdio, |terminal| [terminal; 3]);
    if process::close_all_but(&[report.as_fd(), stdio[0], stdio[1], stdio[2]]).is_err() {
        return 1;
    }
    let io = InitIo { stdio, terminal: input.terminal.is_some(), report, gate: &Gate::Open };
    // Session first, so that the terminal can become the controlling one.
    let (prepare, rest) = steps.split_at(2);
    init::run(prepare, rest, program, &io, || true);
    1
}
