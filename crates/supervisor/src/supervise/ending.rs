//! The end of a run: the container is cleared away, or prepared for the next run.

use std::os::fd::OwnedFd;
use std::time::Duration;

use sys::process::ExitStatus;

use super::clients::{self, Clients};
use super::restart::{self, AGAIN};
use super::{Assignment, NOT_STARTED, network};
use crate::guardian::{chain, remove_pipes};
use crate::job::Job;
use crate::protocol::{FailureReport, Phase, Reply};
use crate::status::{self, State, Status};
use crate::teardown;

/// Tells the launcher why nothing was started, after everything has been taken back. A container that has run before is
/// treated as one that has failed.
pub(super) fn give_up(
    assignment: &Assignment<'_>,
    job: &Job,
    group: Option<&cgroup::Group>,
    (client, before): (Option<&OwnedFd>, Option<Status>),
    clients: &mut Clients,
    error: &(dyn std::error::Error + 'static),
) -> i32 {
    let code = error.downcast_ref::<runtime::Error>().map_or(125, runtime::Error::exit_code);
    let text = chain(error);
    if let Some(mut status) = before {
        if let Some(group) = group {
            let _ = group.kill(rustix::process::Signal::KILL);
            let _ = group.destroy();
        }
        status.exit_code = code;
        status.error = Some(text);
        status.finished = status::now();
        return end_or_restart(assignment, job, status, clients, None);
    }
    finish_never_started(assignment, job, group);
    if let Some(client) = client {
        clients::send_now(client, &Reply::Failed(FailureReport { text, code }));
    }
    NOT_STARTED
}

pub(super) fn finish_never_started(assignment: &Assignment<'_>, job: &Job, group: Option<&cgroup::Group>) {
    if let Some(group) = group {
        let _ = group.kill(rustix::process::Signal::KILL);
        let _ = group.destroy();
    }
    forget_sockets(job);
    let fabric = network::disconnect(job, &assignment.holdings.ports);
    let _ = teardown::run(&job.teardown, &job.id);
    network::tidy(fabric);
}

/// Removes what is in the run directory as long as somebody accompanies the container.
pub(super) fn forget_sockets(job: &Job) {
    let _ = rustix::fs::unlink(job.run_dir.join("sock"));
    remove_pipes(&job.run_dir);
}

/// A run that has ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    /// How long it has run.
    ran: Duration,
    /// When its end was seen, by [`status::monotonic`].
    noticed: i64,
    out_of_memory: bool,
}

/// Writes down how a run has ended, and clears away or prepares the next one. Returns the supervisor's exit code.
pub(super) fn record_end(
    assignment: &Assignment<'_>,
    job: &Job,
    mut status: Status,
    group: Option<&cgroup::Group>,
    end: ExitStatus,
    clients: &mut Clients,
) -> i32 {
    let noticed = status::monotonic();
    let ran = status::age(status.start_ticks);
    status.finished = status::now();
    status.exit_code = end.code();
    status.pid = 0;
    let mut out_of_memory = false;
    if let Some(group) = group {
        out_of_memory = group.oom_count().is_ok_and(|count| count > 0);
        status.oom_killed = end == ExitStatus::Signal(libc::SIGKILL as u8) && out_of_memory;
        let _ = group.destroy();
    }
    sys::failpoint::step();
    end_or_restart(assignment, job, status, clients, Some(Ended { ran, noticed, out_of_memory }))
}

/// Starts a container again that has ended, if its policy says so, or clears it away. There is no run where a start has failed.
fn end_or_restart(
    assignment: &Assignment<'_>,
    job: &Job,
    mut status: Status,
    clients: &mut Clients,
    run: Option<Ended>,
) -> i32 {
    let policy = restart::look_up(job, &mut status);
    status.state = State::Exited;
    if let Some(path) = &job.teardown.last_run {
        let _ = record_run(path, &status, store::Durability::Synced);
    }
    let ran = run.map_or(Duration::ZERO, |run| run.ran);
    if !restart::plan(job, policy, ran, &mut status) {
        clear_away(assignment, job, status, clients, run);
        return 0;
    }
    let _ = status.save(&job.run_dir);
    if let Some(run) = run {
        job.events.ended(&status, run.out_of_memory);
    }
    network::unplug(job);
    job.events.cleared(&job.id);
    sys::failpoint::step();
    clients.accept_last(&assignment.holdings.listener);
    clients.send_last_aside([Reply::Ended { code: status.exit_code }].into_iter());
    AGAIN
}

/// Gives everything back and tells the clients, in this order: who is told may rely on all of it. With the run that has
/// just ended, if it was not told of yet.
pub(super) fn clear_away(
    assignment: &Assignment<'_>,
    job: &Job,
    mut status: Status,
    clients: &mut Clients,
    run: Option<Ended>,
) {
    status.state = State::Exited;
    let mut teardown = job.teardown.clone();
    let kept = || store::Lock::is_held(sys::Dir::open(&job.run_dir)?, crate::KEPT);
    if !teardown.removals.is_empty() && kept().is_ok_and(|held| held) {
        teardown.removals.clear();
    }
    if teardown.removals.is_empty() {
        let _ = status.save(&job.run_dir);
        forget_sockets(job);
    }
    if let Some(run) = run {
        job.events.ended(&status, run.out_of_memory);
    }
    let fabric = network::disconnect(job, &assignment.holdings.ports);
    job.events.cleared(&job.id);
    let _ = teardown::run(&teardown, &job.id);
    if !teardown.removals.is_empty() {
        job.events.container(&status, "destroy", &[]);
    }
    sys::failpoint::step();
    // Nobody connects from here on; those in the queue are told too.
    clients.accept_last(&assignment.holdings.listener);
    // It may be started again, though a slow reader of this run is still to be served.
    if let Some(lock) = assignment.lock {
        let _ = rustix::fs::flock(lock, rustix::fs::FlockOperation::Unlock);
    }
    sys::failpoint::step();
    let mark = run.filter(|_| job.timing).map(|run| Reply::Mark(Phase::Ended, run.noticed));
    clients.send_last(mark.into_iter().chain([Reply::Ended { code: status.exit_code }]));
    network::tidy(fabric);
}

/// Writes the record of a run beside the container's own: that it began (which a crash of the machine may lose
/// again), and how it ended.
pub(super) fn record_run(
    path: &std::path::Path,
    status: &Status,
    durability: store::Durability,
) -> Result<(), Box<dyn std::error::Error>> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str())) else {
        return Ok(());
    };
    let directory = sys::Dir::open(parent)?;
    store::write_atomic(&directory, name, &serde_json::to_vec(status)?, durability)?;
    Ok(())
}
