//! The warden: one of all supervisors restores what others take away from the engine's networks.
//!
//! ```text
//!   RUN_ROOT/
//!     warden.lock       held by the warden as long as it lives
//!     warden            "PID START_TICKS": whom the others watch
//!     networks.fault    what it could not make good: "WHAT" or "WHAT<tab>REMEDY", a line each; absent where all is well
//!
//!   candidate ── lock ──┬── ours ────> warden: watches the firewall and the links, restores
//!       ^               └── taken ───> follower: watches the warden's pidfd, and nothing else
//!       └───────── its end ──────────────┘
//! ```
//!
//! Nobody is told that there is an election, and nobody keeps a list: the lock goes with its holder. A container that
//! has lived for a moment only takes no part.

use std::fmt::Write as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use network::{Fabric, Fault, Link, Watch};
use rustix::event::epoll::{self, EventFlags};
use rustix::fs::AtFlags;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use store::{Durability, Lock};
use sys::process::Pid;
use sys::{Context, Dir};

use super::Source;
use crate::job::NetworkJob;
use crate::status;

const LOCK: &str = "warden.lock";
const WARDEN: &str = "warden";
const FAULTS: &str = "networks.fault";

/// How long a container has lived before it takes part.
const AGE: Duration = Duration::from_secs(1);
/// The first pause before the lock is tried again where its holder is not known; the next ones are longer.
const RETRY: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(10);
/// What happens within this time is looked at together.
const TOGETHER: Duration = Duration::from_millis(50);
/// How many retired endpoints the warden sweeps out together.
const SWEPT: usize = 8;
/// Looking takes at most one part of so many of the time, however much others change.
const SHARE: u32 = 20;

/// What wakes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// It is time to try or to look.
    Time,
    /// The warden has ended.
    Ended,
    /// Something has changed in the firewall or among the links.
    Changed,
}

/// One supervisor's part.
#[derive(Debug)]
pub(super) struct Warden {
    run_root: PathBuf,
    role: Role,
    /// Only while it is waited for.
    timer: Option<OwnedFd>,
}

#[derive(Debug)]
enum Role {
    Candidate {
        next_pause: Duration,
    },
    Follower {
        _warden: OwnedFd,
    },
    Warden {
        _lock: Lock,
        watch: Watch,
        fabric: Fabric,
        /// How long to wait after a change.
        pause: Duration,
        faulty: bool,
    },
}

/// How a try went.
#[derive(Debug)]
enum Elected {
    Us(Lock),
    /// Somebody else, by its pidfd.
    Another(OwnedFd),
    /// Somebody else, who cannot be found yet.
    Unknown,
}

impl Warden {
    /// Takes part soon, if the container is on a network that others can harm.
    pub(super) fn candidate(network: &NetworkJob, epoll: &OwnedFd) -> Option<Self> {
        let is_bridged = |endpoint: &network::Endpoint| matches!(endpoint.link, Link::Bridge { .. });
        if !network.endpoints.iter().any(is_bridged) {
            return None;
        }
        let role = Role::Candidate { next_pause: RETRY };
        let mut warden = Self { run_root: network.run_root.clone(), role, timer: None };
        warden.set_timer(epoll, AGE).ok()?;
        Some(warden)
    }

    /// Does what is due.
    pub(super) fn handle(&mut self, event: Event, epoll: &OwnedFd) {
        if self.act(event, epoll).is_err() {
            // What is lacking may be there then.
            let _ = self.set_timer(epoll, RETRY_MAX);
        }
    }

    fn act(&mut self, event: Event, epoll: &OwnedFd) -> network::Result<()> {
        if let Some(timer) = self.timer.as_ref().filter(|_| event == Event::Time) {
            let _ = rustix::io::read(timer, &mut [0u8; 8]);
        }
        match (&mut self.role, event) {
            (Role::Candidate { .. }, Event::Time) | (Role::Follower { .. }, Event::Ended) => {
                self.try_lock(epoll)
            }
            (Role::Warden { watch, pause, .. }, Event::Changed) => {
                // Further changes wake nobody until we have looked.
                for fd in watch.fds() {
                    let _ = epoll::delete(epoll, fd);
                }
                let pause = *pause;
                Ok(self.set_timer(epoll, pause)?)
            }
            (Role::Warden { .. }, Event::Time) => self.look(epoll),
            _ => Ok(()),
        }
    }

    fn try_lock(&mut self, epoll: &OwnedFd) -> network::Result<()> {
        let pause = match &self.role {
            Role::Candidate { next_pause } => *next_pause,
            _ => RETRY,
        };
        // A warden that has ended would wake us again and again.
        self.role = Role::Candidate { next_pause: pause };
        match elect(&self.run_root)? {
            Elected::Us(lock) => {
                let (watch, fabric) = (Watch::open()?, Fabric::new(&self.run_root));
                announce(&self.run_root)?;
                // What the one before left is ours to remove.
                self.role = Role::Warden { _lock: lock, watch, fabric, pause: TOGETHER, faulty: true };
                // Nobody has looked since it ended.
                Ok(self.set_timer(epoll, TOGETHER)?)
            }
            Elected::Another(warden) => {
                let data = Source::Warden(Event::Ended).data();
                epoll::add(epoll, &warden, data, EventFlags::IN)
                    .context(|| "cannot watch the warden".into())?;
                self.role = Role::Follower { _warden: warden };
                self.timer = None;
                Ok(())
            }
            Elected::Unknown => {
                self.role = Role::Candidate { next_pause: (2 * pause).min(RETRY_MAX) };
                Ok(self.set_timer(epoll, pause)?)
            }
        }
    }

    /// Makes good what others have done.
    fn look(&mut self, epoll: &OwnedFd) -> network::Result<()> {
        let Role::Warden { watch, fabric, pause, faulty, .. } = &mut self.role else { return Ok(()) };
        let began = Instant::now();
        // Before we look: what comes later wakes us.
        watch.drain();
        watch_all(watch, epoll)?;
        // It keeps its socket, so that this costs nobody anything.
        let _ = fabric.sweep(SWEPT);
        let faults = match fabric.restore().and_then(|()| fabric.faults()) {
            Ok(faults) => faults,
            Err(error) => vec![Fault { what: crate::guardian::chain(&error), remedy: None }],
        };
        *pause = TOGETHER.max(began.elapsed() * SHARE);
        if *faulty || !faults.is_empty() {
            publish(&self.run_root, &faults)?;
            *faulty = !faults.is_empty();
        }
        Ok(())
    }

    fn set_timer(&mut self, epoll: &OwnedFd, wait: Duration) -> sys::Result<()> {
        let timer = match &mut self.timer {
            Some(timer) => timer,
            none => none.insert(new_timer(epoll)?),
        };
        let it_value = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
        let spec = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        rustix::time::timerfd_settime(timer, TimerfdTimerFlags::empty(), &spec)
            .context(|| "cannot set the warden's timer".into())?;
        Ok(())
    }
}

impl Drop for Warden {
    /// Leaves no faults behind that nobody would take back.
    fn drop(&mut self) {
        if let Role::Warden { faulty: true, .. } = self.role {
            let _ = publish(&self.run_root, &[]);
        }
    }
}

fn new_timer(epoll: &OwnedFd) -> sys::Result<OwnedFd> {
    let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
    let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)
        .context(|| "cannot make the warden's timer".into())?;
    epoll::add(epoll, &timer, Source::Warden(Event::Time).data(), EventFlags::IN)
        .context(|| "cannot watch the warden's timer".into())?;
    Ok(timer)
}

fn watch_all(watch: &Watch, epoll: &OwnedFd) -> sys::Result<()> {
    for fd in watch.fds() {
        match epoll::add(epoll, fd, Source::Warden(Event::Changed).data(), EventFlags::IN) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(errno) => return Err(errno).context(|| "cannot watch the networks".into()),
        }
    }
    Ok(())
}

/// Tries to become the warden, or finds out who is.
fn elect(run_root: &Path) -> sys::Result<Elected> {
    let directory = Dir::open(run_root)?;
    if let Some(lock) = Lock::try_exclusive(&directory, LOCK).map_err(in_run_root)? {
        return Ok(Elected::Us(lock));
    }
    let text = store::read(&directory, WARDEN).unwrap_or_default();
    Ok(parse(&text).and_then(|(pid, start)| open(pid, start)).map_or(Elected::Unknown, Elected::Another))
}

/// Lets the others know whom to watch.
fn announce(run_root: &Path) -> sys::Result<()> {
    let pid = std::process::id() as Pid;
    let start = status::process_facts(pid).map_or(0, |facts| facts.start_ticks);
    let (directory, text) = (Dir::open(run_root)?, format!("{pid} {start}\n"));
    store::write_atomic(&directory, WARDEN, text.as_bytes(), Durability::Volatile).map_err(in_run_root)
}

fn in_run_root(error: store::Error) -> sys::Error {
    sys::Error::new("cannot care for the networks", std::io::Error::other(error))
}

fn parse(text: &[u8]) -> Option<(Pid, u64)> {
    let (pid, start) = std::str::from_utf8(text).ok()?.trim_end().split_once(' ')?;
    Some((pid.parse().ok()?, start.parse().ok()?))
}

/// Opens the process if it is the one that was meant and lives.
fn open(pid: Pid, start: u64) -> Option<OwnedFd> {
    let pidfd = sys::process::open_pidfd(pid).ok()?;
    // After opening: it can no longer turn into another one.
    let facts = status::process_facts(pid)?;
    (facts.start_ticks == start && !facts.dead).then_some(pidfd)
}

/// Writes down what is wrong, or that nothing is.
fn publish(run_root: &Path, faults: &[Fault]) -> sys::Result<()> {
    let directory = Dir::open(run_root)?;
    if faults.is_empty() {
        let _ = rustix::fs::unlinkat(&directory, FAULTS, AtFlags::empty());
        return Ok(());
    }
    let mut text = String::new();
    for Fault { what, remedy } in faults {
        let remedy = remedy.as_ref().map(|remedy| format!("\t{remedy}")).unwrap_or_default();
        let _ = writeln!(text, "{what}{remedy}");
    }
    store::write_atomic(&directory, FAULTS, text.as_bytes(), Durability::Volatile).map_err(in_run_root)
}

#[cfg(test)]
#[path = "warden/warden_tests.rs"]
mod tests;
