//! Checks a container's health: one process of ours at a time, which enters the container as `exec` does.
//!
//! ```text
//!   supervisor ── fork ──> checker ── exec ──> the check, inside
//!        ^                    │  its time by the monotonic clock, its output to 4 KiB
//!        └──── result ────────┘
//! ```
//!
//! The supervisor only waits for the checker's end: a program that hangs, or whose start does, keeps nothing waiting
//! but itself. Whatever a check needs is in the checker's memory and descriptors and goes with it, so nothing adds up over
//! thousands of them. A checker whose supervisor is killed ends by itself; the successor begins with the next check.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use oci::runtime::Process;
use rustix::event::epoll::{self, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, kill_process_group};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags};
use sys::Context;
use sys::process::{self, CloneOptions, Pid};

use super::Source;
use crate::guardian::{chain, read_job};
use crate::health::{Check, Health, HealthJob, HealthStatus, OUTPUT_MAX, Schedule};
use crate::job::Job;
use crate::status::{self, Status};

/// How long a checker may take beyond the time of its check.
const GRACE: Duration = Duration::from_secs(5);

/// What wakes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A check is due, or has taken too long.
    Time,
    /// A check has ended.
    Ended,
}

/// Writes down that a run's checks have said nothing yet, if it is checked.
pub(super) fn begin(job: &Job) -> Option<HealthStatus> {
    job.health.as_ref()?;
    let _ = Health::default().save(&job.run_dir);
    Some(HealthStatus::Starting)
}

/// The checks of a run.
#[derive(Debug)]
pub(super) struct Monitor {
    schedule: Schedule,
    timer: OwnedFd,
    running: Option<Checker>,
}

/// A check under way.
#[derive(Debug)]
struct Checker {
    pid: Pid,
    pidfd: OwnedFd,
    result: OwnedFd,
    start: i64,
    /// The container's age then.
    after: Duration,
}

impl Monitor {
    /// Begins to check a container, if it is to be checked, or goes on with that.
    pub(super) fn new(job: &mut Job, status: &Status, epoll: &OwnedFd) -> sys::Result<Option<Self>> {
        let Some(health) = &mut job.health else { return Ok(None) };
        // Checkers read it anew.
        (health.process, health.seccomp) = (Process::default(), None);
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)
            .context(|| "cannot make the timer of health checks".into())?;
        epoll::add(epoll, &timer, Source::Health(Event::Time).data(), EventFlags::IN)
            .context(|| "cannot watch the timer of health checks".into())?;
        let monitor = Self { schedule: health.schedule, timer, running: None };
        monitor.set_timer(monitor.pause(status))?;
        Ok(Some(monitor))
    }

    /// Does what is due.
    pub(super) fn handle(
        &mut self,
        event: Event,
        (memfd, job, group): (&OwnedFd, &Job, Option<&cgroup::Group>),
        status: &mut Status,
        epoll: &OwnedFd,
    ) -> sys::Result<()> {
        match (event, &self.running) {
            (Event::Time, None) => {
                let _ = rustix::io::read(&self.timer, &mut [0u8; 8]);
                // A container that is paused answers nothing, and is not ill for that.
                if is_frozen(group) {
                    return self.set_timer(self.pause(status));
                }
                match self.begin(memfd, status, epoll) {
                    Ok(()) => self.set_timer(self.schedule.timeout + GRACE),
                    // What is lacking may be there the next time.
                    Err(_) => self.set_timer(self.pause(status)),
                }
            }
            (Event::Time, Some(checker)) => {
                let _ = rustix::io::read(&self.timer, &mut [0u8; 8]);
                let _ = process::signal(checker.pidfd.as_fd(), libc::SIGKILL);
                Ok(())
            }
            (Event::Ended, Some(_)) => {
                let Some(checker) = self.running.take() else { return Ok(()) };
                let after = checker.after;
                let check = checker.end(self.schedule.timeout);
                if !is_frozen(group) {
                    record(job, check, after, &self.schedule, status);
                }
                self.set_timer(self.pause(status))
            }
            (Event::Ended, None) => Ok(()),
        }
    }

    fn begin(&mut self, memfd: &OwnedFd, status: &Status, epoll: &OwnedFd) -> sys::Result<()> {
        let (result, writer) = pipe_with(PipeFlags::CLOEXEC).context(|| "cannot make a pipe".into())?;
        let (start, after) = (status::now(), status::age(status.start_ticks));
        let child = process::clone(CloneOptions::default(), || check(memfd, status, &writer))?;
        let pidfd = process::open_pidfd(child.pid)?;
        epoll::add(epoll, &pidfd, Source::Health(Event::Ended).data(), EventFlags::IN)
            .context(|| "cannot watch a health check".into())?;
        self.running = Some(Checker { pid: child.pid, pidfd, result, start, after });
        Ok(())
    }

    fn pause(&self, status: &Status) -> Duration {
        self.schedule.pause(status.health.unwrap_or_default(), status::age(status.start_ticks))
    }

    fn set_timer(&self, wait: Duration) -> sys::Result<()> {
        // Zero would switch it off.
        let wait = wait.max(Duration::from_nanos(1));
        let it_value = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
        let spec = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &spec)
            .context(|| "cannot set the timer of health checks".into())?;
        Ok(())
    }
}

impl Drop for Monitor {
    /// What is under way is of no use any more.
    fn drop(&mut self) {
        if let Some(checker) = self.running.take() {
            let _ = process::signal(checker.pidfd.as_fd(), libc::SIGKILL);
            let _ = process::wait(checker.pid);
        }
    }
}

impl Checker {
    /// Reads what a checker that has ended has found.
    fn end(self, timeout: Duration) -> Check {
        let _ = process::wait(self.pid);
        let mut bytes = vec![0u8; OUTPUT_MAX + 256];
        let mut count = 0;
        // It has ended, so there is an end.
        while let Ok(more) = rustix::io::retry_on_intr(|| rustix::io::read(&self.result, &mut bytes[count..]))
            && more > 0
        {
            count += more;
        }
        let (exit_code, output) = match bytes[..count].split_first_chunk::<4>() {
            Some((code, output)) => (i32::from_le_bytes(*code), String::from_utf8_lossy(output).into_owned()),
            None => (-1, too_long(timeout)),
        };
        Check { start: self.start, end: status::now(), exit_code, output }
    }
}

fn too_long(timeout: Duration) -> String {
    format!("Health check exceeded timeout ({timeout:?})")
}

fn is_frozen(group: Option<&cgroup::Group>) -> bool {
    group.is_some_and(|group| group.frozen().unwrap_or(false))
}

/// Adds a result to those before, and tells of a change.
fn record(job: &Job, check: Check, after: Duration, schedule: &Schedule, status: &mut Status) {
    let mut health = Health::load(&job.run_dir).unwrap_or_default();
    let changed = health.add(check, after, schedule);
    let _ = health.save(&job.run_dir);
    if changed {
        status.health = Some(health.status);
        let _ = status.save(&job.run_dir);
        job.events.container(status, &format!("health_status: {}", health.status.word()), &[]);
    }
}

/// Runs in the checker: checks and writes the result down.
fn check(memfd: &OwnedFd, status: &Status, result: &OwnedFd) -> i32 {
    let _ = process::set_name(c"coracle-health");
    // Clients would not hear of the supervisor's end, and pipes not of the container's.
    let _ = process::close_others_from(3, &[memfd.as_fd(), result.as_fd()]);
    let (code, output) = match read_job(memfd).map(|job| job.health) {
        Ok(Some(health)) => examine(&health, status).unwrap_or_else(|error| (-1, error.into_bytes())),
        _ => (-1, b"cannot read the job".to_vec()),
    };
    let mut bytes = code.to_le_bytes().to_vec();
    bytes.extend(output);
    let _ = rustix::io::write(result, &bytes);
    0
}

/// Runs the check; returns its exit code and what it printed.
fn examine(health: &HealthJob, status: &Status) -> Result<(i32, Vec<u8>), String> {
    let text = |error: &dyn std::error::Error| chain(error);
    let deadline = status::monotonic() + health.schedule.timeout.as_nanos() as i64;
    let pidfd = status.open_process().ok_or("the container has ended")?;
    // Opened anew: what the supervisor has open was closed.
    let group = status.cgroup.as_deref().and_then(|path| {
        let path = cgroup::CgroupPath::parse(path).ok()?;
        cgroup::Group::open(&cgroup::Hierarchies::detect().ok()?, &path).ok()
    });
    let (output, writer) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| text(&error))?;
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
    let null =
        rustix::fs::open("/dev/null", flags, rustix::fs::Mode::empty()).map_err(|error| text(&error))?;
    let target = runtime::ExecTarget { pid: status.pid, pidfd: pidfd.as_fd(), group: group.as_ref() };
    let input = runtime::ExecInput {
        process: &health.process,
        seccomp: health.seccomp.clone(),
        listener: None,
        linux: None,
        stdio: [null.as_fd(), writer.as_fd(), writer.as_fd()],
        terminal: None,
        preserve_fds: 0,
    };
    let executed = runtime::exec(&target, &input).map_err(|error| text(&error))?;
    drop(writer);
    let mut read = Vec::new();
    let in_time = collect(&output, &executed.pidfd, deadline, &mut read);
    if !in_time {
        // All of its session's first group: it has begun one of its own.
        if let Some(pid) = rustix::process::Pid::from_raw(executed.pid) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = process::signal(executed.pidfd.as_fd(), libc::SIGKILL);
    }
    let ended = process::wait(executed.pid).map_err(|error| text(&error))?;
    if in_time {
        return Ok((ended.code().into(), read));
    }
    let mut output = too_long(health.schedule.timeout).into_bytes();
    if !read.is_empty() {
        output.extend(b": ");
        output.extend(read);
        output.truncate(OUTPUT_MAX);
    }
    Ok((-1, output))
}

/// Collects what a process prints until it ends; false where its time is over before. Those it leaves behind may keep the pipe
/// open and are not waited for.
fn collect(output: &OwnedFd, process: &OwnedFd, deadline: i64, read: &mut Vec<u8>) -> bool {
    let _ = rustix::io::ioctl_fionbio(output, true);
    let mut open = true;
    loop {
        let left = deadline - status::monotonic();
        if left <= 0 {
            return false;
        }
        let time = Timespec { tv_sec: left / 1_000_000_000, tv_nsec: left % 1_000_000_000 };
        let interest = if open { PollFlags::IN } else { PollFlags::empty() };
        let mut fds = vec![PollFd::new(process, PollFlags::IN)];
        if open {
            fds.push(PollFd::new(output, interest));
        }
        if poll(&mut fds, Some(&time)).is_err() {
            continue;
        }
        let ended = !fds[0].revents().is_empty();
        drop(fds);
        open = open && drain(output, read);
        if ended {
            return true;
        }
    }
}

/// Reads what there is, and keeps the beginning of it; false at the end.
fn drain(output: &OwnedFd, kept: &mut Vec<u8>) -> bool {
    let mut buffer = [0u8; 4096];
    // No more than a pipe holds: whoever writes faster than we read must not keep us here.
    for _ in 0..16 {
        match rustix::io::read(output, &mut buffer[..]) {
            Ok(0) => return false,
            Ok(count) => {
                let room = OUTPUT_MAX.saturating_sub(kept.len()).min(count);
                kept.extend_from_slice(&buffer[..room]);
            }
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return true,
            Err(_) => return false,
        }
    }
    true
}
