//! The namespaces that a process is in: leaving them, joining those of others, acting in another one for a moment.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::wait::wait;
use crate::{Context, Result};

pub const NEWNS: u64 = libc::CLONE_NEWNS as u64;
pub const NEWUSER: u64 = libc::CLONE_NEWUSER as u64;
pub const NEWPID: u64 = libc::CLONE_NEWPID as u64;
pub const NEWNET: u64 = libc::CLONE_NEWNET as u64;
pub const NEWIPC: u64 = libc::CLONE_NEWIPC as u64;
pub const NEWUTS: u64 = libc::CLONE_NEWUTS as u64;
pub const NEWCGROUP: u64 = libc::CLONE_NEWCGROUP as u64;
pub const NEWTIME: u64 = 0x80;

/// Joins namespaces of the process of a pidfd (setns(2) with a pidfd, Linux 5.8).
pub fn join_namespaces(pidfd: BorrowedFd<'_>, namespaces: u64) -> Result<()> {
    // SAFETY: no memory is involved.
    if unsafe { libc::setns(pidfd.as_raw_fd(), namespaces as i32) } < 0 {
        return Err(io::Error::last_os_error())
            .context(|| format!("cannot join namespaces {}", namespace_names(namespaces)));
    }
    Ok(())
}

/// Leaves some namespaces for new ones (unshare(2)).
pub fn unshare(namespaces: u64) -> Result<()> {
    // SAFETY: only namespaces are unshared, no memory or descriptors.
    if unsafe { libc::unshare(namespaces as i32) } < 0 {
        return Err(io::Error::last_os_error())
            .context(|| format!("cannot create namespaces {}", namespace_names(namespaces)));
    }
    Ok(())
}

/// Names the namespaces in a flag word, for messages.
pub fn namespace_names(flags: u64) -> String {
    let names = [
        (NEWUSER, "user"),
        (NEWPID, "pid"),
        (NEWNET, "network"),
        (NEWIPC, "ipc"),
        (NEWUTS, "uts"),
        (NEWNS, "mount"),
        (NEWCGROUP, "cgroup"),
        (NEWTIME, "time"),
    ];
    let list: Vec<&str> = names.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name).collect();
    list.join(",")
}

/// Runs `body` in a child that shares memory and descriptors and stops the caller until it ends
/// (`CLONE_VM|CLONE_VFORK|CLONE_FILES`). Returns what `body` returned.
///
/// For a few system calls that must be made from another pid namespace: the child is in
/// the namespace that setns(2) chose for children. `body` must not unwind.
pub fn in_child_namespace<T>(body: impl FnOnce() -> T) -> Result<T> {
    struct Call<F, T> {
        body: Option<F>,
        result: Option<T>,
    }
    extern "C" fn trampoline<F: FnOnce() -> T, T>(argument: *mut libc::c_void) -> libc::c_int {
        // SAFETY: the parent passes a pointer to its `Call` and is stopped until we exit.
        let call = unsafe { &mut *argument.cast::<Call<F, T>>() };
        if let Some(body) = call.body.take() {
            call.result = Some(body());
        }
        0
    }
    fn entry<F: FnOnce() -> T, T>(_: &Call<F, T>) -> extern "C" fn(*mut libc::c_void) -> libc::c_int {
        trampoline::<F, T>
    }
    let mut call = Call { body: Some(body), result: None };
    let mut stack = vec![0u128; 4096];
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES | libc::SIGCHLD;
    let function = entry(&call);
    // SAFETY: the stack outlives the child because CLONE_VFORK stops us until it has exited; the
    // pointer handed over is the stack's upper end, aligned to 16 bytes.
    let pid = unsafe {
        libc::clone(function, stack.as_mut_ptr().add(stack.len()).cast(), flags, (&raw mut call).cast())
    };
    if pid < 0 {
        return Err(io::Error::last_os_error()).context(|| "cannot create a helper process (clone)".into());
    }
    wait(pid)?;
    call.result.ok_or_else(|| crate::Error::new("helper process ended early", io::ErrorKind::Interrupted))
}

/// Runs `body` where no mount that it makes is seen by anybody: in a child as [`in_child_namespace`] has it, in a
/// mount namespace of its own. What it opens there stays open after the namespace is gone.
pub fn in_private_mounts<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    in_child_namespace(|| {
        unshare(NEWNS)?;
        crate::mount::set_propagation_recursive(std::path::Path::new("/"), crate::mount::PRIVATE)?;
        body()
    })?
}
