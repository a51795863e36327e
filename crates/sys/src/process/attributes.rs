//! What the kernel keeps of a process beside its memory and descriptors: name, signals of its parent's death, ids of
//! file access, keyring, limits, priorities, where its memory is.

use std::ffi::CStr;
use std::io;

use super::Pid;
use crate::{Context, Result};

fn prctl(option: i32, argument: u64, what: &str) -> Result<()> {
    // SAFETY: the options used here take one integer.
    if unsafe { libc::prctl(option, argument, 0, 0, 0) } < 0 {
        return Err(io::Error::last_os_error()).context(|| format!("cannot {what} (prctl)"));
    }
    Ok(())
}

/// Adopts orphaned descendants from now on.
pub fn become_subreaper() -> Result<()> {
    prctl(libc::PR_SET_CHILD_SUBREAPER, 1, "become a sub-reaper")
}

/// Makes this process opaque to ptrace and `/proc/PID/fd` (CVE-2016-9962, CVE-2019-5736).
pub fn set_undumpable() -> Result<()> {
    prctl(libc::PR_SET_DUMPABLE, 0, "become undumpable")
}

/// Makes `/proc/PID` files of this process belong to its ids again, so that its parent may write
/// its id maps before it runs foreign code.
pub fn set_dumpable() -> Result<()> {
    prctl(libc::PR_SET_DUMPABLE, 1, "become dumpable")
}

/// Sets the name seen in `ps` (15 bytes).
pub fn set_name(name: &CStr) -> Result<()> {
    prctl(libc::PR_SET_NAME, name.as_ptr() as u64, "set the process name")
}

/// Dies by `signal` when the parent dies.
pub fn set_parent_death_signal(signal: i32) -> Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, signal as u64, "set the parent-death signal")
}

/// Keeps capabilities when the file-system ids change (`SECBIT_NO_SETUID_FIXUP`, capabilities(7)).
pub fn keep_capabilities_across_fsuid() -> Result<()> {
    prctl(libc::PR_SET_SECUREBITS, 1 << 2, "set secure bits")
}

/// Sets the ids used for file access of this thread (setfsuid(2)) and checks that they took.
pub fn set_fs_ids(uid: u32, gid: u32) -> Result<()> {
    // SAFETY: no memory is involved. A second call with -1 returns the id in force.
    let in_force = unsafe {
        libc::setfsgid(gid);
        libc::setfsuid(uid);
        (libc::setfsuid(u32::MAX) as u32, libc::setfsgid(u32::MAX) as u32)
    };
    if in_force == (uid, gid) {
        return Ok(());
    }
    Err(crate::Error::new(
        format!("cannot use file-system ids {uid}:{gid}"),
        io::Error::from_raw_os_error(libc::EPERM),
    ))
}

/// Starts a fresh session keyring, so that keys of the caller are out of reach (keyctl(2)).
pub fn new_session_keyring() -> Result<()> {
    // SAFETY: KEYCTL_JOIN_SESSION_KEYRING (1) with a null name takes no memory.
    if unsafe { libc::syscall(libc::SYS_keyctl, 1, 0, 0, 0, 0) } < 0 {
        return Err(io::Error::last_os_error()).context(|| "cannot make a session keyring".into());
    }
    Ok(())
}

/// Sets a resource limit of a process (prlimit(2)); raising the hard limit needs CAP_SYS_RESOURCE.
pub fn set_rlimit(pid: Pid, resource: u32, soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: `limit` is valid, the old value is not asked for.
    let code = unsafe { libc::prlimit(pid, resource as _, &raw const limit, std::ptr::null_mut()) };
    if code < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Returns the soft and hard limit of a process.
pub fn rlimit(pid: Pid, resource: u32) -> io::Result<(u64, u64)> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid out pointer.
    let code = unsafe { libc::prlimit(pid, resource as _, std::ptr::null(), &raw mut limit) };
    if code < 0 { Err(io::Error::last_os_error()) } else { Ok((limit.rlim_cur, limit.rlim_max)) }
}

/// Sets the execution domain (personality(2)).
pub fn set_personality(domain: u64) -> Result<()> {
    // SAFETY: an integer only.
    if unsafe { libc::personality(domain as libc::c_ulong) } < 0 {
        return Err(io::Error::last_os_error()).context(|| "cannot set the personality".into());
    }
    Ok(())
}

/// Sets the IO priority of this process (ioprio_set(2)).
pub fn set_io_priority(class: u32, priority: u32) -> Result<()> {
    const WHO_PROCESS: i32 = 1;
    // SAFETY: integers only.
    let code = unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, (class << 13) | priority) };
    if code < 0 {
        return Err(io::Error::last_os_error()).context(|| "cannot set the IO priority".into());
    }
    Ok(())
}

/// Sets on which nodes this process takes memory (set_mempolicy(2)); `nodes` is a mask.
pub fn set_memory_policy(mode: u32, nodes: &[u64]) -> Result<()> {
    // The kernel reads one bit less than it is told (man page, "BUGS" of get_mempolicy(2)).
    let bits = if nodes.is_empty() { 0 } else { nodes.len() * 64 + 1 };
    let mask = if nodes.is_empty() { std::ptr::null() } else { nodes.as_ptr() };
    // SAFETY: the mask is null or valid for the bits that it is said to have.
    if unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, mask, bits) } < 0 {
        return Err(io::Error::last_os_error()).context(|| "cannot set the memory policy".into());
    }
    Ok(())
}

/// `struct sched_attr` of sched_setattr(2).
#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
pub struct SchedulerAttributes {
    pub size: u32,
    pub policy: u32,
    pub flags: u64,
    pub nice: i32,
    pub priority: u32,
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
    pub util_min: u32,
    pub util_max: u32,
}

/// Sets scheduling policy and parameters of this process (sched_setattr(2)).
pub fn set_scheduler(mut attributes: SchedulerAttributes) -> Result<()> {
    attributes.size = size_of::<SchedulerAttributes>() as u32;
    // SAFETY: a sched_attr with its size.
    if unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) } < 0 {
        return Err(io::Error::last_os_error()).context(|| "cannot set the scheduler".into());
    }
    Ok(())
}
