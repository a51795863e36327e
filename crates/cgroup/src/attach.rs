//! Putting processes into a group.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;
use rustix::process::Pid;

use crate::controller::Controller;
use crate::error::{Error, Result};
use crate::file;
use crate::group::{Group, Member};
use crate::layout::Kind;

impl Group {
    /// Moves a process into the group in all hierarchies.
    pub fn attach(&self, pid: Pid) -> Result<()> {
        let text = pid.as_raw_nonzero().to_string();
        self.members.iter().try_for_each(|member| self.enter(member, "cgroup.procs", text.as_bytes()))
    }

    /// Moves a process into the group in the v1 hierarchies, where `clone3` has put it into the v2 one already.
    pub fn attach_v1(&self, pid: Pid) -> Result<()> {
        let text = pid.as_raw_nonzero().to_string();
        self.v1_members().try_for_each(|member| self.enter(member, "cgroup.procs", text.as_bytes()))
    }

    /// Moves the calling thread, the only one of its process, into the group in the v1 hierarchies.
    ///
    /// Faster than an attach from outside: for the caller's own single thread (`0` in `tasks`) the kernel does not take the lock
    /// that waits for every fork on the machine. Allocates nothing unless it fails.
    pub fn attach_self_v1(&self) -> Result<()> {
        self.v1_members().try_for_each(|member| self.enter(member, "tasks", b"0"))
    }

    fn v1_members(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| self.mount(member).facts.kind != Kind::V2)
    }

    fn enter(&self, member: &Member, name: &str, pid: &[u8]) -> Result<()> {
        let dir = member.dir.as_fd();
        let mut result = file::write(dir, name, pid);
        if result == Err(Errno::NOSPC)
            && self.mount(member).facts.v1_controllers().contains(Controller::Cpuset)
        {
            inherit_cpuset(dir);
            result = file::write(dir, name, pid);
        }
        result.map_err(|error| Error::io("move a process into cgroup", self.show(member), error))
    }
}

/// Fills an empty `cpuset.cpus` or `cpuset.mems` with its parent's, and the parent's before that.
///
/// A v1 cpuset starts empty, and an empty one takes no process (ENOSPC). Done only when that happens, because below the engine's
/// own parent group `cgroup.clone_children` has the kernel do it. Failure shows in the write that follows.
pub(crate) fn inherit_cpuset(dir: BorrowedFd<'_>) {
    for name in ["cpuset.cpus", "cpuset.mems"] {
        fill(dir, name, 0);
    }
}

fn fill(dir: BorrowedFd<'_>, name: &str, depth: usize) {
    let mut buffer = [0; 1024];
    // The root is never empty, so the walk ends there; the depth only guards against a hierarchy that is none.
    let blank = matches!(file::read_into(dir, name, &mut buffer), Ok(text) if text.is_empty());
    if !blank || depth > 64 {
        return;
    }
    let Ok(parent) = file::open_place(dir, "..") else { return };
    fill(parent.as_fd(), name, depth + 1);
    if let Ok(inherited) = file::read_into(parent.as_fd(), name, &mut buffer) {
        let _ = file::write(dir, name, inherited);
    }
}
