//! Pausing: the freezer of v2, or of v1 where there is no v2 directory.

use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use crate::controller::Controller;
use crate::error::{Error, Result};
use crate::file;
use crate::group::{Group, Member};
use crate::hierarchies::{Hierarchies, Mount};
use crate::layout::Kind;
use crate::path::CgroupPath;

/// How long a process may stay in the kernel before pausing fails.
const PATIENCE: Duration = Duration::from_secs(10);

impl Group {
    /// Stops all processes of the group where they are; returns when all have stopped.
    pub fn freeze(&self) -> Result<()> {
        if let Some(member) = self.v2_freezer() {
            return self.set_v2(member, Want::Frozen);
        }
        match self.v1(Controller::Freezer) {
            Some(member) => self.freeze_v1(member),
            None => Err(self.unsupported("pause")),
        }
    }

    /// Lets the processes run on.
    pub fn thaw(&self) -> Result<()> {
        if let Some(member) = self.v2_freezer() {
            return self.set_v2(member, Want::Running);
        }
        let Some(member) = self.v1(Controller::Freezer) else { return Err(self.unsupported("resume")) };
        file::write(member.dir.as_fd(), "freezer.state", b"THAWED")
            .map_err(|error| Error::io("resume cgroup", self.show(member), error))
    }

    /// Whether the group is paused, or about to be.
    pub fn frozen(&self) -> Result<bool> {
        if let Some(member) = self.v2_freezer() {
            let text = file::read(member.dir.as_fd(), "cgroup.freeze")
                .map_err(|error| Error::io("read the state of cgroup", self.show(member), error))?;
            return Ok(text.trim() == "1");
        }
        let Some(member) = self.v1(Controller::Freezer) else { return Ok(false) };
        Ok(self.v1_state(member)? != "THAWED")
    }

    /// Opens a v1 freezer as far as there is one.
    pub(crate) fn thaw_v1(&self) {
        if let Some(member) = self.v1(Controller::Freezer) {
            let _ = file::write(member.dir.as_fd(), "freezer.state", b"THAWED");
        }
    }

    /// Returns the v2 directory if the kernel can freeze it (Linux 5.2).
    fn v2_freezer(&self) -> Option<&Member> {
        self.v2().filter(|member| {
            rustix::fs::accessat(
                &member.dir,
                "cgroup.freeze",
                rustix::fs::Access::EXISTS,
                rustix::fs::AtFlags::empty(),
            )
            .is_ok()
        })
    }

    /// Sets the v2 state and waits for the kernel's event that it holds.
    fn set_v2(&self, member: &Member, want: Want) -> Result<()> {
        let failed = |error| Error::io(want.verb(), self.show(member), error);
        let dir = member.dir.as_fd();
        let events =
            openat(dir, "cgroup.events", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
        file::write(dir, "cgroup.freeze", want.v2_value()).map_err(failed)?;
        let started = Instant::now();
        loop {
            let mut buffer = [0; 256];
            let len = rustix::io::pread(&events, &mut buffer, 0).map_err(failed)?;
            if buffer[..len].split(|byte| *byte == b'\n').any(|line| line == want.v2_event()) {
                return Ok(());
            }
            let left = PATIENCE.saturating_sub(started.elapsed());
            if left.is_zero() {
                if want == Want::Frozen {
                    // Half paused would be worse than running.
                    let _ = file::write(dir, "cgroup.freeze", b"0");
                }
                return Err(self.timeout(member, want, "a process stays in the kernel"));
            }
            let timeout = Timespec::try_from(left).expect("a few seconds fit");
            match poll(&mut [PollFd::new(&events, PollFlags::PRI)], Some(&timeout)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Freezes by v1: the state stays FREEZING while tasks are in system calls, or are forked faster than they freeze.
    ///
    /// Reading the state makes the kernel look again, writing FROZEN again catches new tasks, and a short thaw now and then
    /// resolves tasks that wait for frozen ones (the strategy of runc, whose issue 2774 tells how it was found).
    fn freeze_v1(&self, member: &Member) -> Result<()> {
        let dir = member.dir.as_fd();
        let failed = |error| Error::io(Want::Frozen.verb(), self.show(member), error);
        let started = Instant::now();
        for round in 1u32.. {
            if round % 50 == 0 {
                file::write(dir, "freezer.state", b"THAWED").map_err(failed)?;
                sleep(Duration::from_millis(10));
            }
            file::write(dir, "freezer.state", b"FROZEN").map_err(failed)?;
            if round % 25 == 0 {
                sleep(Duration::from_micros(10));
            }
            if self.v1_state(member)? == "FROZEN" {
                return Ok(());
            }
            if started.elapsed() > PATIENCE {
                break;
            }
            if round > 10 {
                sleep(Duration::from_micros(200));
            }
        }
        let _ = file::write(dir, "freezer.state", b"THAWED");
        Err(self.timeout(member, Want::Frozen, "FREEZING"))
    }

    fn v1_state(&self, member: &Member) -> Result<String> {
        match file::read(member.dir.as_fd(), "freezer.state") {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(error) => Err(Error::io("read the state of cgroup", self.show(member), error)),
        }
    }

    fn timeout(&self, member: &Member, want: Want, state: &str) -> Error {
        let verb = if want == Want::Frozen { "pause" } else { "resume" };
        Error::Timeout { verb, path: self.show(member), waited: PATIENCE, state: state.to_owned() }
    }
}

/// Tells which groups are paused by one small file of each, for lists of many containers: opening a [`Group`] opens a
/// directory in every hierarchy.
#[derive(Debug)]
pub struct Freezers {
    v2: OnceLock<Option<Hierarchies>>,
    /// Looked for where v2 has no answer.
    all: OnceLock<Option<Hierarchies>>,
}

impl Default for Freezers {
    fn default() -> Self {
        Self::new()
    }
}

impl Freezers {
    /// Has looked at nothing yet.
    pub const fn new() -> Self {
        Self { v2: OnceLock::new(), all: OnceLock::new() }
    }

    /// Whether a group is paused, or about to be; one that is not there is not. Agrees with [`Group::frozen`].
    pub fn is_frozen(&self, path: &CgroupPath) -> bool {
        let v2 = self.v2.get_or_init(Hierarchies::detect_v2).iter().flat_map(Hierarchies::mounts);
        if let Some(answer) = v2.map(|mount| look(mount, path)).find_map(|answer| answer) {
            return answer;
        }
        let all = self.all.get_or_init(|| Hierarchies::detect().ok()).iter().flat_map(Hierarchies::mounts);
        // A v2 hierarchy in an unusual place is found only now.
        let (v2, v1): (Vec<&Mount>, Vec<&Mount>) = all.partition(|mount| mount.facts.kind == Kind::V2);
        v2.into_iter().chain(v1).find_map(|mount| look(mount, path)).unwrap_or(false)
    }
}

/// Reads the state of a group in one hierarchy; `None` where that has no freezer, or not the group.
fn look(mount: &Mount, path: &CgroupPath) -> Option<bool> {
    let is_v2 = mount.facts.kind == Kind::V2;
    if !is_v2 && !mount.facts.v1_controllers().contains(Controller::Freezer) {
        return None;
    }
    let file = if is_v2 { "cgroup.freeze" } else { "freezer.state" };
    let mut buffer = [0; 32];
    let name = format!("{}/{file}", mount.facts.resolve(path));
    let state = file::read_into(mount.as_fd(), &name, &mut buffer).ok()?;
    Some(if is_v2 { state == b"1" } else { state != b"THAWED" })
}

#[derive(Clone, Copy, PartialEq)]
enum Want {
    Frozen,
    Running,
}

impl Want {
    fn verb(self) -> &'static str {
        match self {
            Self::Frozen => "pause cgroup",
            Self::Running => "resume cgroup",
        }
    }

    fn v2_value(self) -> &'static [u8] {
        match self {
            Self::Frozen => b"1",
            Self::Running => b"0",
        }
    }

    /// The line of `cgroup.events` that says it is done.
    fn v2_event(self) -> &'static [u8] {
        match self {
            Self::Frozen => b"frozen 1",
            Self::Running => b"frozen 0",
        }
    }
}
