//! Ids, capabilities, no_new_privs and the seccomp filter of the calling thread.
//!
//! These change one thread only: they are for single-threaded children about to exec.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use crate::{Context, Result};

/// Number of the highest capability known here (`CAP_CHECKPOINT_RESTORE`, Linux 5.9).
pub const LAST_CAPABILITY: u8 = 40;

/// The names of all capabilities, indexed by number (capabilities(7)).
pub const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// Returns the number of a capability by its name.
pub fn capability_number(name: &str) -> Option<u8> {
    CAPABILITIES.iter().position(|known| *known == name).map(|index| index as u8)
}

/// Capability sets as bit masks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CapabilitySets {
    pub bounding: u64,
    pub effective: u64,
    pub permitted: u64,
    pub inheritable: u64,
    pub ambient: u64,
}

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Default, Clone, Copy)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

const VERSION_3: u32 = 0x2008_0522;

/// Removes from the bounding set all that is not in `keep` (prctl(2) PR_CAPBSET_DROP).
pub fn drop_bounding(keep: u64) -> Result<()> {
    for capability in 0..=63u64 {
        if keep & (1 << capability) != 0 {
            continue;
        }
        // SAFETY: integers only.
        if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) } < 0 {
            let error = io::Error::last_os_error();
            // Numbers beyond the kernel's last capability answer EINVAL: all are done.
            if error.raw_os_error() == Some(libc::EINVAL) {
                return Ok(());
            }
            return Err(error).context(|| format!("cannot drop capability {capability}"));
        }
    }
    Ok(())
}

/// Sets effective, permitted and inheritable (capset(2)).
pub fn set_capabilities(sets: CapabilitySets) -> Result<()> {
    let header = Header { version: VERSION_3, pid: 0 };
    let half = |shift: u32| Data {
        effective: (sets.effective >> shift) as u32,
        permitted: (sets.permitted >> shift) as u32,
        inheritable: (sets.inheritable >> shift) as u32,
    };
    let data = [half(0), half(32)];
    // SAFETY: version 3 takes a header and two data elements.
    if unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) } < 0 {
        return Err(io::Error::last_os_error()).context(|| "cannot set capabilities".into());
    }
    Ok(())
}

/// Returns the caller's effective capabilities (capget(2)).
pub fn effective_capabilities() -> Result<u64> {
    let header = Header { version: VERSION_3, pid: 0 };
    let mut data = [Data::default(); 2];
    // SAFETY: version 3 fills two data elements.
    if unsafe { libc::syscall(libc::SYS_capget, &raw const header, data.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error()).context(|| "cannot read capabilities".into());
    }
    Ok(u64::from(data[0].effective) | (u64::from(data[1].effective) << 32))
}

/// Clears the ambient set and raises the given ones, which must be permitted and inheritable.
pub fn set_ambient(set: u64) -> Result<()> {
    const PR_CAP_AMBIENT: i32 = 47;
    const RAISE: u64 = 2;
    const CLEAR_ALL: u64 = 4;
    // SAFETY: integers only.
    if unsafe { libc::prctl(PR_CAP_AMBIENT, CLEAR_ALL, 0, 0, 0) } < 0 {
        return Err(io::Error::last_os_error()).context(|| "cannot clear ambient capabilities".into());
    }
    for capability in (0..=u64::from(LAST_CAPABILITY)).filter(|c| set & (1 << c) != 0) {
        // SAFETY: integers only.
        if unsafe { libc::prctl(PR_CAP_AMBIENT, RAISE, capability, 0, 0) } < 0 {
            return Err(io::Error::last_os_error())
                .context(|| format!("cannot raise ambient {}", CAPABILITIES[capability as usize]));
        }
    }
    Ok(())
}

/// Keeps permitted capabilities over the change from uid 0 (prctl(2) PR_SET_KEEPCAPS).
pub fn keep_capabilities(keep: bool) -> Result<()> {
    // SAFETY: integers only.
    if unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, u64::from(keep), 0, 0, 0) } < 0 {
        return Err(io::Error::last_os_error()).context(|| "cannot keep capabilities".into());
    }
    Ok(())
}

/// Sets supplementary groups, then gid, then uid, all three of each kind. Raw calls: they
/// change this thread only, as the process has but one.
pub fn set_ids(uid: u32, gid: u32, groups: &[u32]) -> Result<()> {
    // SAFETY: the group list is valid for its length; the rest are integers.
    let failed = unsafe {
        if libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) < 0 {
            Some(format!("cannot set supplementary groups {groups:?}"))
        } else if libc::syscall(libc::SYS_setresgid, gid, gid, gid) < 0 {
            Some(format!("cannot become group {gid}"))
        } else if libc::syscall(libc::SYS_setresuid, uid, uid, uid) < 0 {
            Some(format!("cannot become user {uid}"))
        } else {
            None
        }
    };
    match failed {
        Some(what) => Err(io::Error::last_os_error()).context(|| what),
        None => Ok(()),
    }
}

/// Forbids gaining privileges through exec (prctl(2) PR_SET_NO_NEW_PRIVS).
pub fn set_no_new_privileges() -> Result<()> {
    // SAFETY: integers only.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } < 0 {
        return Err(io::Error::last_os_error()).context(|| "cannot set no_new_privs".into());
    }
    Ok(())
}

/// `SECCOMP_FILTER_FLAG_NEW_LISTENER`.
pub const SECCOMP_NEW_LISTENER: u32 = 1 << 3;

/// Loads a seccomp filter (seccomp(2)); `program` is an array of `struct sock_filter`, 8 bytes each.
/// Returns the listener when `flags` ask for one.
pub fn load_seccomp(program: &[u8], flags: u32) -> Result<Option<OwnedFd>> {
    #[repr(C)]
    struct SockFprog {
        len: u16,
        filter: *const u8,
    }
    let fprog = SockFprog { len: (program.len() / 8) as u16, filter: program.as_ptr() };
    const SET_MODE_FILTER: u32 = 1;
    // SAFETY: `fprog` describes `program`, whose length is a multiple of 8; the kernel copies it.
    let code = unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, flags, &raw const fprog) };
    if code < 0 {
        return Err(io::Error::last_os_error()).context(|| "cannot load the seccomp filter".into());
    }
    // SAFETY: with this flag a success is a fresh descriptor, which nobody else owns.
    let listener = || unsafe { OwnedFd::from_raw_fd(code as i32) };
    Ok((flags & SECCOMP_NEW_LISTENER != 0).then(listener))
}
