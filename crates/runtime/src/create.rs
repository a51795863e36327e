//! Creates a container's first process from a plan.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use oci::runtime::{State, Status};
use rustix::fs::{Mode, OFlags};
use sys::Context;
use sys::process::{self, Child, CloneOptions, NEWNS, Pid};

use crate::build::{BuildInput, Builder, open_devices};
use crate::error::{Error, Failure, Result};
use crate::hooks::{run_hooks, run_stage};
use crate::init::{self, Gate, InitIo};
use crate::report::{Message, Report};
use crate::step::{Hooks, Plan};

/// A terminal made for a container before it exists, so that its keeper holds the master.
#[derive(Debug)]
pub struct Console {
    pub devpts: sys::terminal::Devpts,
    pub pty: sys::terminal::Pty,
}

impl Console {
    /// Makes a devpts instance and one pty in it for a container with these ids.
    pub fn new(plan: &Plan) -> Result<Self> {
        let devpts = crate::terminals::planned(plan)?;
        let pty = devpts.open_pty()?;
        Ok(Self { devpts, pty })
    }
}

/// Whose child the container's first process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent {
    /// The caller's.
    Caller,
    /// The caller's parent's, which then reaps it (`CLONE_PARENT`).
    CallersParent,
}

/// What a creation needs besides the plan.
#[derive(Debug)]
pub struct CreateInput<'a> {
    pub plan: &'a Plan,
    /// An existing directory of the host to mount on, in a private namespace.
    pub staging: &'a Path,
    pub stdio: [BorrowedFd<'a>; 3],
    pub console: Option<&'a Console>,
    pub group: Option<&'a cgroup::Group>,
    pub pids_limit: Option<i64>,
    pub parent: Parent,
    pub gate: &'a Gate,
    /// How many descriptors above stdio the program inherits under their numbers.
    pub preserve_fds: u32,
    /// What hooks and a seccomp agent are told, but for pid and status; needed where the plan has some.
    pub state: Option<&'a State>,
    /// What the creator does to the container's network namespace while the builder mounts.
    pub network: Option<NetworkSetup<'a>>,
}

/// Sets up the network of a container whose first process, given by its pidfd, has been born and waits.
///
/// The program does not run before it has returned. If it fails the creation does, with its error.
#[derive(Clone, Copy)]
pub struct NetworkSetup<'a>(pub &'a SetUpNetwork<'a>);

type SetUpNetwork<'a> = dyn Fn(BorrowedFd<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + 'a;

impl fmt::Debug for NetworkSetup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NetworkSetup")
    }
}

/// A created container: its first process exists and, if gated, waits.
#[derive(Debug)]
pub struct Created {
    pub pid: Pid,
    pub pidfd: OwnedFd,
    pub warnings: Vec<String>,
    report: Report,
}

/// Starts builder and init and follows their reports until init is ready or has failed.
///
/// The caller must be single-threaded. With [`Gate::Open`] the program runs when this returns.
pub fn create(input: &CreateInput<'_>) -> Result<Created> {
    if input.plan.hooks != Hooks::default() && input.state.is_none() {
        return Err(Error::Unsupported("`hooks` are run for bundles only".into()));
    }
    if input.plan.listener.is_some() && input.state.is_none() {
        return Err(Error::Unsupported("SCMP_ACT_NOTIFY is served for bundles only".into()));
    }
    let mut devices = open_devices(input.plan).map_err(Error::from_failure)?;
    let (ours, theirs) = Report::pair()?;
    let sibling = input.parent == Parent::CallersParent;
    let cgroup = input.group.and_then(cgroup::Group::v2_fd);
    let options = CloneOptions { namespaces: NEWNS, sibling, cgroup };
    let builder = process::clone(options, || {
        // Or nobody would notice that the creator is gone.
        let _ = process::close_one(ours.socket());
        // Init ends when this is closed: not before the failure is told, which may be the cause of another.
        let mut signal = None;
        if let Err(failure) = run_builder(input, &theirs, std::mem::take(&mut devices), &mut signal) {
            theirs.send(&Message::Failed(failure));
            return 1;
        }
        0
    })?;
    drop(theirs);
    let mut heard = Heard::default();
    let outcome = follow(&ours, input, &mut heard);
    if outcome.is_err() {
        // They may wait for us or for each other.
        let _ = process::signal(builder.pidfd.as_fd(), libc::SIGKILL);
        if let Some(init) = &heard.init {
            let _ = process::signal(init.pidfd.as_fd(), libc::SIGKILL);
        }
    }
    if input.parent == Parent::Caller {
        process::wait(builder.pid)?;
        // A container that did not come to be leaves no child behind.
        let failed = heard.init.as_ref().filter(|_| outcome.is_err()).map(|init| init.pid);
        for pid in heard.joiner.into_iter().chain(failed) {
            process::wait(pid)?;
        }
    }
    outcome?;
    let init = heard.init.ok_or(Error::Died("builder process"))?;
    Ok(Created { pid: init.pid, pidfd: init.pidfd, warnings: heard.warnings, report: ours })
}

/// What the reports have told.
#[derive(Default)]
struct Heard {
    init: Option<Child>,
    joiner: Option<Pid>,
    warnings: Vec<String>,
    built: bool,
}

/// Reads reports until the outcome is known. Init's pidfd comes with the first: a program that has ended
/// before we look is still ours.
fn follow(report: &Report, input: &CreateInput<'_>, heard: &mut Heard) -> Result<()> {
    loop {
        match report.receive_with() {
            Some((Message::Init { pid }, Some(pidfd))) => {
                let init = heard.init.insert(Child { pid, pidfd });
                if let Some(network) = input.network {
                    set_up_network(network, init, report)?;
                }
            }
            Some((Message::Init { .. }, None)) => return Err(Error::Died("builder process")),
            Some((Message::Joiner { pid }, _)) => heard.joiner = Some(pid),
            Some((Message::Warning(text), _)) => heard.warnings.push(text),
            Some((Message::Mounted, _)) => {
                runtime_hooks(input, heard.init.as_ref().map_or(0, |init| init.pid))?;
                report.send_start();
            }
            Some((Message::Listener { number }, _)) => {
                hand_over_listener(input, heard.init.as_ref(), number)?;
                report.send_start();
            }
            Some((Message::Failed(failure), _)) => return Err(Error::from_failure(failure)),
            Some((Message::Ready, _)) => return Ok(()),
            Some((Message::Built, _)) => heard.built = true,
            None if !heard.built => return Err(Error::Died("builder process")),
            None if matches!(input.gate, Gate::Open) => return Ok(()),
            None => return Err(Error::Died("init process")),
        }
    }
}

/// Sets up the network while the builder mounts, and lets the builder go on.
fn set_up_network(NetworkSetup(set_up): NetworkSetup<'_>, init: &Child, report: &Report) -> Result<()> {
    if let Err(error) = set_up(init.pidfd.as_fd()) {
        // The end of a builder that has failed ends init too, and with it the namespace.
        return Err(report.failure_told().map_or(Error::Network(error), Error::from_failure));
    }
    report.send_start();
    Ok(())
}

/// Gives init's filter to the agent.
fn hand_over_listener(input: &CreateInput<'_>, init: Option<&Child>, number: i32) -> Result<()> {
    let (Some(listener), Some(init), Some(state)) = (&input.plan.listener, init, input.state) else {
        return Err(Error::Died("init process"));
    };
    let state = State { pid: init.pid, status: Status::Creating, ..state.clone() };
    crate::listener::hand_over(listener, (init.pid, init.pidfd.as_fd()), number, &state)
        .map_err(Error::from_failure)
}

/// Runs the hooks that stand beside the runtime.
fn runtime_hooks(input: &CreateInput<'_>, pid: Pid) -> Result<()> {
    let Some(state) = input.state else { return Ok(()) };
    let state = State { pid, status: Status::Creating, ..state.clone() };
    run_hooks("prestart", &input.plan.hooks.prestart, &state)?;
    run_hooks("createRuntime", &input.plan.hooks.create_runtime, &state)
}

/// Lets the creator run its hooks, then runs those in the container's namespaces.
fn hooks_before_pivot(input: &CreateInput<'_>, report: &Report, pid: Pid) -> Result<(), Failure> {
    let (hooks, Some(state)) = (&input.plan.hooks, input.state) else { return Ok(()) };
    if !(hooks.prestart.is_empty() && hooks.create_runtime.is_empty()) {
        report.send(&Message::Mounted);
        if !report.wait_for_start() {
            return Err(Failure::refused("the creator of the container is gone"));
        }
    }
    let state = State { pid, status: Status::Creating, ..state.clone() };
    run_stage("createContainer", &hooks.create_container, &state)
}

impl Created {
    /// Starts a container that waits on the report socket; returns when the program runs.
    pub fn start(self) -> Result<OwnedFd> {
        self.report.send_start();
        match self.report.receive() {
            None => Ok(self.pidfd),
            Some(Message::Failed(failure)) => Err(Error::from_failure(failure)),
            Some(_) => Err(Error::Died("init process")),
        }
    }
}

/// Starts a container whose init waits at a listener, through a connection to it.
pub fn start_through(connection: OwnedFd) -> Result<()> {
    match Report::from_fd(connection).receive() {
        None => Ok(()),
        Some(Message::Failed(failure)) => Err(Error::from_failure(failure)),
        Some(_) => Err(Error::Died("init process")),
    }
}

fn run_builder(
    input: &CreateInput<'_>,
    report: &Report,
    devices: Vec<(usize, OwnedFd)>,
    signal: &mut Option<OwnedFd>,
) -> Result<(), Failure> {
    sys::failpoint::enter(sys::failpoint::Role::Builder);
    let build = BuildInput {
        staging: input.staging,
        console: input.console,
        group: input.group,
        pids_limit: input.pids_limit,
        network: input.network.is_some().then_some(report),
    };
    let stdio = input.console.map_or(input.stdio, |console| [console.pty.terminal.as_fd(); 3]);
    crate::stdio::give_to(input.plan.user_uid, stdio);
    let mut builder = Builder::new(input.plan, &build, devices);
    if let Some(group) = input.group {
        // Born in the v2 group already.
        group.attach_self_v1().map_err(|error| Failure::of_group("enter the container's cgroup", &error))?;
    }
    builder.separate()?;
    let (waiter, writer) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).context(|| "cannot make a pipe".into())?;
    let signal = signal.insert(writer);
    crate::time_offsets::apply(&input.plan.time_offsets)?;
    let init = spawn_init(input, report, &waiter)?;
    crate::time_offsets::leave(&input.plan.time_offsets)?;
    drop(waiter);
    report.send_with(&Message::Init { pid: init.pid }, init.pidfd.as_fd());
    builder.adopt(&init)?;
    builder.build(|| hooks_before_pivot(input, report, init.pid))?;
    builder.await_network()?;
    for warning in builder.warnings.drain(..) {
        report.send(&Message::Warning(warning));
    }
    sys::failpoint::step();
    report.send(&Message::Built);
    rustix::io::write(signal, &init.pid.to_ne_bytes()).context(|| "the init process is gone".into())?;
    Ok(())
}

/// Clones init into its new namespaces. Namespaces of others are joined by a process in between,
/// with the host's credentials: a user namespace of ours would have no right to.
fn spawn_init(input: &CreateInput<'_>, report: &Report, waiter: &OwnedFd) -> Result<Child, Failure> {
    let plan = input.plan;
    let body = || init_body(input, report, waiter);
    if plan.join.is_empty() {
        // Sibling of the builder: the creator's child or sibling, as the builder is.
        let options = CloneOptions { namespaces: plan.new_namespaces, sibling: true, cgroup: None };
        return Ok(process::clone(options, body)?);
    }
    let mut namespaces = Vec::new();
    for (flag, path) in &plan.join {
        let fd = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .on_path("open namespace", path)?;
        namespaces.push((*flag, fd, path));
    }
    let (ours, theirs) = Report::pair()?;
    let middle = process::clone(CloneOptions { sibling: true, ..CloneOptions::default() }, || {
        let outcome = (|| {
            for (flag, fd, path) in &namespaces {
                process::join_namespaces(fd.as_fd(), *flag)
                    .map_err(|error| Failure::from(error).during(&format!("`{}`", path.display())))?;
            }
            let options = CloneOptions { namespaces: plan.new_namespaces, sibling: true, cgroup: None };
            Ok::<_, Failure>(process::clone(options, body)?)
        })();
        theirs.send(&match outcome {
            Ok(child) => Message::Init { pid: child.pid },
            Err(failure) => Message::Failed(failure),
        });
        0
    })?;
    drop(theirs);
    report.send(&Message::Joiner { pid: middle.pid });
    match ours.receive() {
        Some(Message::Init { pid }) => Ok(Child { pid, pidfd: process::open_pidfd(pid)? }),
        Some(Message::Failed(failure)) => Err(failure),
        _ => Err(Failure::refused("the process that joins namespaces ended unexpectedly")),
    }
}

fn init_body(input: &CreateInput<'_>, report: &Report, waiter: &OwnedFd) -> i32 {
    let plan = input.plan;
    let stdio = match input.console {
        Some(console) => [console.pty.terminal.as_fd(); 3],
        None => input.stdio,
    };
    let hooks = input.state.map(|state| (plan.hooks.start_container.as_slice(), state));
    let io = InitIo {
        stdio,
        terminal: input.console.is_some(),
        report,
        gate: input.gate,
        preserve_fds: input.preserve_fds,
        hooks,
    };
    let mut keep = vec![report.as_fd(), waiter.as_fd(), stdio[0], stdio[1], stdio[2]];
    if let Gate::Listener(listener) = input.gate {
        keep.push(listener.as_fd());
    }
    if process::close_others_from(io.first_private_fd(), &keep).is_err() {
        return 1;
    }
    let wait = || {
        let mut pid = [0; size_of::<Pid>()];
        let read = rustix::io::retry_on_intr(|| rustix::io::read(waiter, &mut pid));
        (read == Ok(pid.len())).then(|| Pid::from_ne_bytes(pid))
    };
    let failure = init::run(&plan.prepare, &plan.init, &plan.program, &io, wait);
    match failure.kind {
        crate::FailureKind::ProgramNotFound => 127,
        crate::FailureKind::ProgramNotExecutable => 126,
        crate::FailureKind::Setup => 125,
    }
}
