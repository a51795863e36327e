//! How a supervisor comes to its container: it starts it, starts it again, or goes on with what a predecessor left.

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::process::{self, Pid};

use super::clients::{self, Clients};
use super::ending::{clear_away, finish_never_started, forget_sockets, give_up, record_run};
use super::input::Input;
use super::restart::{self, AGAIN};
use super::{Assignment, NOT_STARTED, Supervisor, companion, group, health, network, streams};
use crate::guardian::{ContainerEnds, Holdings, read_job};
use crate::job::Job;
use crate::protocol::{Phase, Reply};
use crate::resolver::Resolver;
use crate::status::{self, State, Status};
use crate::teardown;

/// Why a container is started.
#[derive(Debug)]
pub(super) enum Launch {
    /// Somebody has asked for it, and is told.
    First(OwnedFd),
    /// It has ended before. With those who have come meanwhile.
    Again(Box<Status>, Clients),
}

/// Starts a container anew that has ended, when it is time.
pub(super) fn start_again(assignment: &Assignment<'_>, holdings: &mut Option<Holdings>) -> sys::Result<i32> {
    let mut job = read_job(assignment.job)?;
    let Some(mut status) = restart::waiting(&job) else { return Ok(0) };
    (status.guardian, status.supervisor) = (assignment.guardian, std::process::id() as Pid);
    status.save(&job.run_dir)?;
    let paused = restart::pause(&status, &assignment.holdings.listener);
    let mut clients = Clients::default();
    for (socket, streams) in paused.clients {
        clients.add_launcher(socket, streams, streams.stdin && job.stdin_once);
    }
    if !paused.given_up && !restart::is_joinable(&status) {
        // Its plan is of another process, and of that one's ids.
        let why = "the container whose namespaces it shares has ended since it was started";
        status.error = Some(why.to_owned());
    }
    if paused.given_up || status.error.is_some() {
        clear_away(assignment, &job, status, &mut clients, None);
        return Ok(0);
    }
    if let Some(network) = &mut job.network {
        network::look_up(&job.id, network);
    }
    restart::look_up_limits(&mut job)?;
    let (renewed, ends) = streams::renew(assignment.with(holdings.as_ref()).holdings, &job)?;
    if renewed.is_some() {
        *holdings = renewed;
    }
    // What runs next is the child of who is our parent now; if that is no guardian, we notice.
    let assignment = Assignment { process: None, ..assignment.with(holdings.as_ref()) };
    Ok(start(&assignment, job, ends, Launch::Again(Box::new(status), clients)))
}

/// Makes the container and accompanies it to its end. Returns the supervisor's exit code.
pub(super) fn start(assignment: &Assignment<'_>, mut job: Job, ends: ContainerEnds, launch: Launch) -> i32 {
    let (launcher, before, mut clients) = match launch {
        Launch::First(client) => (Some(client), None, Clients::default()),
        Launch::Again(status, clients) => (None, Some(*status), clients),
    };
    let client = launcher.as_ref();
    let mark = |phase| mark(&job, phase, client);
    mark(Phase::Guardian);
    let group = match group::create(&job, assignment.holdings) {
        Ok(group) => group,
        Err(error) => return give_up(assignment, &job, None, (client, before), &mut clients, &error),
    };
    let (group, warnings) = group;
    mark(Phase::Cgroup);
    let created = create(assignment, &job, &ends, group.as_ref());
    drop(ends);
    let (created, resolver) = match created {
        Ok(created) => created,
        Err(error) => {
            return give_up(assignment, &job, group.as_ref(), (client, before), &mut clients, &error);
        }
    };
    mark(Phase::Created);
    let mut status = running_status(assignment, &job, created.pid, before.as_ref());
    status.resolver_port = resolver.as_ref().map(Resolver::port);
    status.warnings = job.warnings.iter().cloned().chain(warnings).chain(created.warnings).collect();
    if let Err(error) = status.save(&job.run_dir) {
        let _ = process::signal(created.pidfd.as_fd(), libc::SIGKILL);
        drop(resolver);
        return give_up(assignment, &job, group.as_ref(), (client, before), &mut clients, &error);
    }
    if let Some(path) = &job.teardown.last_run {
        let _ = record_run(path, &status, store::Durability::Volatile);
    }
    job.events.started(&status, job.network.as_ref().map_or(&[], |network| &network.endpoints));
    if let Some(client) = client {
        for warning in &status.warnings {
            clients::send_now(client, &Reply::Warning(warning));
        }
        clients::send_now(client, &Reply::Started { pid: created.pid });
    }
    if let Some(client) = launcher {
        clients.add_launcher(client, job.attach, job.stdin_once);
    }
    clients.stdin_once = job.stdin_once;
    // The plan was the greater part of the job and has served.
    job.plan.build = Vec::new();
    job.plan.init = Vec::new();
    let input = Input::new(assignment.holdings);
    Supervisor::new(assignment, job, status, group, created.pidfd, clients, input)
        .map(|supervisor| Supervisor { resolver, ..supervisor })
        .and_then(Supervisor::run)
        .unwrap_or(NOT_STARTED)
}

/// Tells the launching client that a phase has ended, if it wants to know.
fn mark(job: &Job, phase: Phase, client: Option<&OwnedFd>) {
    if let Some(client) = client.filter(|_| job.timing) {
        clients::send_now(client, &Reply::Mark(phase, status::monotonic()));
    }
}

/// Goes on after the predecessor was killed. A client is told when that is done.
pub(super) fn adopt(assignment: &Assignment<'_>, job: Job, client: Option<OwnedFd>) -> i32 {
    let Ok(Some(mut status)) = Status::load(&job.run_dir) else {
        // Killed before anything ran: clear away what it had made. Without its directory it ran, and all is done.
        if assignment.process.is_none() && sys::fs::exists(&job.run_dir) {
            let group = group::open(&job, assignment.holdings);
            finish_never_started(assignment, &job, group.as_ref());
        }
        return 0;
    };
    if status.state == State::Restarting {
        // Killed while it waited or created the container.
        if let Some(group) = group::open(&job, assignment.holdings) {
            let _ = group.kill(rustix::process::Signal::KILL);
            let _ = group.destroy();
        }
        network::unplug(&job);
        return AGAIN;
    }
    if status.state == State::Exited {
        // Killed while it cleared away, or with nothing left but slow readers. As long as nobody else starts the
        // container, what it has claimed is of this run.
        let again = rustix::fs::FlockOperation::NonBlockingLockExclusive;
        if assignment.lock.is_some_and(|lock| rustix::fs::flock(lock, again).is_ok()) {
            forget_sockets(&job);
            network::disconnect_again(&job, &assignment.holdings.ports);
            let _ = teardown::run(&job.teardown, &job.id);
        }
        return 0;
    }
    let known = assignment.process.and_then(|process| process.of_run(&status));
    let assignment = &Assignment { process: assignment.process.filter(|_| known.is_some()), ..*assignment };
    let known = known.and_then(|pidfd| pidfd.try_clone().ok());
    // Another process may have the number by now.
    let ours = || process::open_pidfd(status.pid).ok().filter(|_| status.is_there());
    let Some(pidfd) = known.or_else(ours) else {
        return companion::record_missed_end(assignment, job, status);
    };
    if job.health.is_none() {
        // Found running, and checked before.
        status.health = None;
    }
    status.supervisor = std::process::id() as Pid;
    status.guardian = assignment.guardian;
    // Who reads that there is a successor may ask it for names.
    let resolver = network::resume(&job, &status, pidfd.as_fd());
    let _ = status.save(&job.run_dir);
    let group = group::open(&job, assignment.holdings);
    let input = Input::new(assignment.holdings);
    let mut clients = Clients::default();
    clients.stdin_once = job.stdin_once;
    if let Some(client) = client {
        clients::send_now(&client, &Reply::Started { pid: status.pid });
        clients.add_launcher(client, job.attach, false);
    }
    Supervisor::new(assignment, job, status, group, pidfd, clients, input)
        .map(|supervisor| Supervisor { resolver, ..supervisor })
        .and_then(Supervisor::run)
        .unwrap_or(NOT_STARTED)
}

fn create(
    assignment: &Assignment<'_>,
    job: &Job,
    ends: &ContainerEnds,
    group: Option<&cgroup::Group>,
) -> runtime::Result<(runtime::Created, Option<Resolver>)> {
    let resolver = Cell::new(None);
    let connect = |pidfd: BorrowedFd<'_>| {
        let Some(network) = &job.network else { return Ok(()) };
        network::connect(network, pidfd).map(|opened| resolver.set(opened))
    };
    let created = runtime::create(&runtime::CreateInput {
        plan: &job.plan,
        staging: &job.run_dir,
        stdio: [ends.stdin.as_fd(), ends.stdout.as_fd(), ends.stderr.as_fd()],
        console: assignment.holdings.console.as_ref(),
        group,
        pids_limit: job.pids_limit,
        parent: runtime::Parent::CallersParent,
        gate: &runtime::Gate::Open,
        preserve_fds: 0,
        state: None,
        network: job.network.as_ref().map(|_| runtime::NetworkSetup(&connect)),
    })?;
    Ok((created, resolver.take()))
}

fn running_status(assignment: &Assignment<'_>, job: &Job, pid: Pid, before: Option<&Status>) -> Status {
    Status {
        version: status::VERSION,
        id: job.id.clone(),
        summary: before.map_or(&job.summary, |before| &before.summary).clone(),
        state: State::Running,
        pid,
        start_ticks: status::process_facts(pid).map_or(0, |facts| facts.start_ticks),
        boot_id: status::boot_id().to_owned(),
        guardian: assignment.guardian,
        supervisor: std::process::id() as Pid,
        started: status::now(),
        finished: 0,
        exit_code: 0,
        oom_killed: false,
        error: None,
        warnings: Vec::new(),
        cgroup: job.cgroup.clone(),
        resolver_port: None,
        dropped: status::Dropped::default(),
        health: health::begin(job),
        restarts: before.map_or(0, |before| before.restarts),
        pause_millis: before.map_or(0, |before| before.pause_millis),
        joined: before.map_or_else(|| restart::joined(job), |before| before.joined.clone()),
        next_start: 0,
    }
}
