//! A container that has ended and is started again, by the supervisor that it has.
//!
//! ```text
//!   run ── end ──> status: restarting, and when ── pause, in which the socket is served ── create ──> run
//! ```
//!
//! Everything that a run has claimed (ids, addresses, names, ports) stays claimed, and the lock held. What is to be done stands in
//! the status file: a successor goes on with it, and a supervisor without guardian too, so the kill of either loses nothing. A
//! supervisor of its own for each run was discarded, and a new pair too: between the one and the other there is a moment with
//! one process alone, or with two that both would start the container.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use oci::runtime::Resources;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SocketFlags, accept_with, recv};
use serde::{Deserialize, Serialize};
use sys::Context;

use crate::job::{Attachment, Job, LIMITS, RENAMED, STOPPED};
use crate::protocol::Request;
use crate::restart::{RestartPolicy, RunEnd};
use crate::status::{self, State, Status};

/// What a run has come to whose container is to be started again; no exit code.
pub(super) const AGAIN: i32 = -1;

/// What is of interest in the container's record (the engine's `ContainerRecord`), which may have changed since the start.
#[derive(Debug, Serialize, Deserialize)]
struct RecordPart {
    name: String,
    request: RequestPart,
}

#[derive(Debug, Serialize, Deserialize)]
struct RequestPart {
    restart: RestartPolicy,
}

impl store::Record for RecordPart {
    const KIND: &'static str = "container";
    const VERSION: u32 = 1;
}

/// What the container is called now and what is to become of it; a container that is removed at its end has no record to ask.
pub(super) fn look_up(job: &Job, status: &mut Status) -> RestartPolicy {
    let directory = job.teardown.last_run.as_deref().and_then(Path::parent);
    let record = directory.and_then(|directory| {
        store::read_record::<RecordPart>(sys::Dir::open(directory).ok()?, "record.json").ok()
    });
    match record {
        Some(record) => {
            status.summary.name = record.name;
            record.request.restart
        }
        None => {
            if let Ok(name) = sys::fs::read_to_string(job.run_dir.join(RENAMED)) {
                status.summary.name = name;
            }
            RestartPolicy::No
        }
    }
}

/// Finds the limits that the container has got since it was started.
pub(super) fn look_up_limits(job: &mut Job) -> sys::Result<()> {
    let text = match sys::fs::read(job.run_dir.join(LIMITS)) {
        Err(error) if error.is_not_found() => return Ok(()),
        other => other?,
    };
    let limits: Resources =
        serde_json::from_slice(&text).context(|| "cannot understand the container's limits".into())?;
    let Resources { memory, cpu, block_io, pids, .. } = limits;
    // Nothing else can be changed.
    job.resources = Resources { memory, cpu, block_io, ..std::mem::take(&mut job.resources) };
    if let Some(pids) = pids {
        job.pids_limit = Some(pids.limit).filter(|limit| *limit > 0);
    }
    Ok(())
}

/// Turns the status of a run that has ended into that of one which is started again, if it is.
pub(super) fn plan(job: &Job, policy: RestartPolicy, ran: Duration, status: &mut Status) -> bool {
    let directory = job.teardown.last_run.as_deref().and_then(Path::parent);
    let end = RunEnd {
        exit_code: status.exit_code,
        stopped: directory.is_none_or(|directory| sys::fs::exists(directory.join(STOPPED))),
        ran,
        restarts: status.restarts,
        pause: Duration::from_millis(status.pause_millis),
    };
    // One that was found running came without a plan to make it by.
    let Some(pause) = policy.pause_after(&end).filter(|_| !job.again) else { return false };
    status.state = State::Restarting;
    status.restarts += 1;
    status.pause_millis = pause.as_millis() as u64;
    status.next_start = status::monotonic() + pause.as_nanos() as i64;
    true
}

/// Returns the status of a container that waits to be started again.
pub(super) fn waiting(job: &Job) -> Option<Status> {
    let status = Status::load(&job.run_dir).ok().flatten()?;
    (status.state == State::Restarting && status.boot_id == status::boot_id()).then_some(status)
}

/// The processes whose namespaces a container joins, each with its start.
pub(super) fn joined(job: &Job) -> Vec<(i32, u64)> {
    let pid = |path: &std::path::PathBuf| path.iter().nth(2)?.to_str()?.parse().ok();
    let pids = job.plan.join.iter().filter_map(|(_, path)| pid(path));
    pids.filter_map(|pid| Some((pid, status::process_facts(pid)?.start_ticks))).collect()
}

/// Whether these are still the same: by now another process may have the number.
pub(super) fn is_joinable(status: &Status) -> bool {
    let is_there =
        |pid, start| status::process_facts(pid).is_some_and(|now| now.start_ticks == start && !now.dead);
    status.joined.iter().all(|(pid, start)| is_there(*pid, *start))
}

/// How a pause has ended.
#[derive(Debug)]
pub(super) struct Paused {
    /// Those who have come, and what they want of the next run.
    pub(super) clients: Vec<(OwnedFd, Attachment)>,
    /// Somebody wants the container to stay as it is.
    pub(super) given_up: bool,
}

/// Waits until the container is to be started again, or is not.
pub(super) fn pause(status: &Status, listener: &OwnedFd) -> Paused {
    let mut paused = Paused { clients: Vec::new(), given_up: false };
    loop {
        let left = status.next_start - status::monotonic();
        if left <= 0 || paused.given_up {
            return paused;
        }
        let time = Timespec { tv_sec: left / 1_000_000_000, tv_nsec: left % 1_000_000_000 };
        let mut fds = vec![PollFd::new(listener, PollFlags::IN)];
        fds.extend(paused.clients.iter().map(|(client, _)| PollFd::new(client, PollFlags::IN)));
        let polled = poll(&mut fds, Some(&time));
        drop(fds);
        if polled.is_err() {
            continue;
        }
        while let Ok(client) = accept_with(listener, SocketFlags::CLOEXEC) {
            paused.clients.push((client, Attachment::default()));
        }
        let given_up = &mut paused.given_up;
        paused.clients.retain_mut(|(client, streams)| hear(client, streams, given_up));
    }
}

/// Hears all that a client has to say; false when it has gone.
fn hear(client: &OwnedFd, streams: &mut Attachment, given_up: &mut bool) -> bool {
    // What is typed in vain is cut.
    let mut buffer = [0u8; 64];
    loop {
        match recv(client, &mut buffer[..], RecvFlags::DONTWAIT) {
            Ok((0, _)) => return false,
            Ok((count, _)) => match Request::decode(&buffer[..count.min(64)]) {
                Some(Request::GiveUp) => *given_up = true,
                Some(Request::Attach(wanted)) => *streams = wanted,
                _ => {}
            },
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return true,
            Err(_) => return false,
        }
    }
}
