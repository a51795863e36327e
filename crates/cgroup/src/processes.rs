//! The processes of a group: listing and signalling all of them.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::controller::Controller;
use crate::error::{Error, Result};
use crate::file;
use crate::group::{Group, Member, descendants};

/// How long a fork bomb may outrun the killing.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

impl Group {
    /// Returns the processes of the group and of the groups below it, in order.
    pub fn processes(&self) -> Result<Vec<Pid>> {
        let Some(member) = self.for_processes() else {
            return Err(self.unsupported("list the processes of"));
        };
        Ok(self.list(member)?.into_iter().filter_map(Pid::from_raw).collect())
    }

    /// Sends a signal to every process of the group and of the groups below it.
    ///
    /// After SIGKILL returns, all processes that were there are dying, a fork bomb too; [`Group::destroy`] waits for them to be gone. A
    /// paused group stays paused after other signals, which then arrive when it is resumed.
    pub fn kill(&self, signal: Signal) -> Result<()> {
        let Some(member) = self.for_processes() else { return Err(self.unsupported("kill")) };
        if signal == Signal::KILL {
            self.kill_all(member)
        } else {
            self.signal_all(member, signal, &mut BTreeSet::new()).map(drop)
        }
    }

    fn kill_all(&self, member: &Member) -> Result<()> {
        if let Some(v2) = self.v2() {
            match file::write(v2.dir.as_fd(), "cgroup.kill", b"1") {
                Ok(()) => {
                    // A v1 freezer that somebody closed would keep the killed ones from dying.
                    self.thaw_v1();
                    return Ok(());
                }
                // Before Linux 5.14 there is no such file; a removed group has none either.
                Err(Errno::NOENT) if !self.exists() => return Ok(()),
                Err(Errno::NOENT) => {}
                Err(error) => return Err(Error::io("kill cgroup", self.show(v2), error)),
            }
        }
        // Frozen processes cannot fork. Where freezing fails, the rounds below still win unless somebody forks faster.
        let frozen = self.freeze().is_ok();
        let result = self.kill_in_rounds(member);
        if frozen {
            self.thaw()?;
        }
        result
    }

    fn kill_in_rounds(&self, member: &Member) -> Result<()> {
        let started = Instant::now();
        let mut signalled = BTreeSet::new();
        loop {
            if self.signal_all(member, Signal::KILL, &mut signalled)? == 0 {
                return Ok(());
            }
            if started.elapsed() > KILL_PATIENCE {
                let state = "processes are made faster than they can be killed".to_owned();
                return Err(Error::Timeout {
                    verb: "kill",
                    path: self.show(member),
                    waited: KILL_PATIENCE,
                    state,
                });
            }
            sleep(Duration::from_micros(50));
        }
    }

    /// Signals those that were not signalled before; returns how many.
    fn signal_all(&self, member: &Member, signal: Signal, signalled: &mut BTreeSet<i32>) -> Result<usize> {
        let listed: Vec<i32> =
            self.list(member)?.into_iter().filter(|pid| !signalled.contains(pid)).collect();
        let open: Vec<(i32, OwnedFd)> = listed
            .into_iter()
            .filter_map(|pid| Some((pid, pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?)))
            .collect();
        if open.is_empty() {
            return Ok(0);
        }
        // A number may have passed to a stranger between listing and opening. Who is still listed after that is ours.
        let still = self.list(member)?;
        let mut count = 0;
        for (pid, fd) in open.iter().filter(|(pid, _)| still.contains(pid)) {
            match pidfd_send_signal(fd, signal) {
                Ok(()) => count += 1,
                Err(Errno::SRCH) => {}
                Err(error) => return Err(Error::io("signal a process of cgroup", self.show(member), error)),
            }
            signalled.insert(*pid);
        }
        Ok(count)
    }

    fn list(&self, member: &Member) -> Result<BTreeSet<i32>> {
        let mount = self.mount(member);
        let mut pids = BTreeSet::new();
        let failed = |error| Error::io("list the processes of", self.show(member), error);
        match file::read(member.dir.as_fd(), "cgroup.procs") {
            Ok(text) => pids.extend(parse_pids(&text)),
            // Gone, so empty; a threaded v2 group shows its processes in the group above.
            Err(Errno::NOENT | Errno::NODEV | Errno::OPNOTSUPP) => {}
            Err(error) => return Err(failed(error)),
        }
        for below in descendants(mount, &member.below) {
            let Ok(dir) = file::open_place(mount.as_fd(), &below) else { continue };
            match file::read(dir.as_fd(), "cgroup.procs") {
                Ok(text) => pids.extend(parse_pids(&text)),
                Err(Errno::NOENT | Errno::NODEV | Errno::OPNOTSUPP) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(pids)
    }

    /// Returns the directory whose list of processes is asked: they are in all of them.
    fn for_processes(&self) -> Option<&Member> {
        self.v2().or_else(|| self.v1(Controller::Freezer)).or_else(|| self.members.first())
    }

    pub(crate) fn unsupported(&self, verb: &'static str) -> Error {
        let reason = match self.unavailable() {
            Some(warning) => warning.reason,
            None => self.why_missing(Controller::Freezer).0,
        };
        Error::Unsupported { verb, path: self.path.to_string(), reason }
    }
}

/// Parses `cgroup.procs`; a process outside of our pid namespace is shown as 0.
fn parse_pids(text: &str) -> impl Iterator<Item = i32> {
    text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 0)
}
