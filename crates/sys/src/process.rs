//! Processes: clone3, spawn from a pinned executable, exec; what they have and are is in the modules below.

mod attributes;
mod descriptors;
mod namespaces;
mod pidfd;
mod wait;

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::{Context, Result};

pub use attributes::{
    SchedulerAttributes, become_subreaper, keep_capabilities_across_fsuid, new_session_keyring, rlimit,
    set_dumpable, set_fs_ids, set_io_priority, set_memory_policy, set_name, set_parent_death_signal,
    set_personality, set_rlimit, set_scheduler, set_undumpable,
};
pub use descriptors::{
    cloexec_from, close_all_but, close_from, close_one, close_others_from, dup_onto, take_inherited,
};
pub use namespaces::{
    NEWCGROUP, NEWIPC, NEWNET, NEWNS, NEWPID, NEWTIME, NEWUSER, NEWUTS, in_child_namespace,
    in_private_mounts, join_namespaces, namespace_names, unshare,
};
pub use pidfd::{exit_status_of, open_pidfd, signal};
pub use wait::{ExitStatus, try_wait_any, wait, wait_any};

/// A process id of the caller's pid namespace.
pub type Pid = libc::pid_t;

/// What a new process shares or gets anew.
#[derive(Debug, Default, Clone, Copy)]
pub struct CloneOptions<'a> {
    /// `CLONE_NEW*` flags.
    pub namespaces: u64,
    /// Make the child a sibling: its parent is the caller's parent (`CLONE_PARENT`).
    pub sibling: bool,
    /// Start the child in this cgroup v2 directory (`CLONE_INTO_CGROUP`, Linux 5.7).
    pub cgroup: Option<BorrowedFd<'a>>,
}

/// A child made by [`clone`].
#[derive(Debug)]
pub struct Child {
    pub pid: Pid,
    pub pidfd: OwnedFd,
}

#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Runs `body` in a new process with a copy of this one's memory (clone3(2), Linux 5.3) and ends
/// it with the returned code.
///
/// The caller must be single-threaded, or `body` must neither allocate nor lock: other threads do
/// not exist in the child, their locks do.
pub fn clone(options: CloneOptions<'_>, body: impl FnOnce() -> i32) -> Result<Child> {
    crate::failpoint::step();
    let mut pidfd: RawFd = -1;
    let mut args = CloneArgs {
        flags: options.namespaces | libc::CLONE_PIDFD as u64,
        pidfd: (&raw mut pidfd) as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    if options.sibling {
        // The exit signal is then the caller's own; clone3 refuses another.
        args.flags |= libc::CLONE_PARENT as u64;
        args.exit_signal = 0;
    }
    if let Some(cgroup) = options.cgroup {
        args.flags |= 0x2_0000_0000; // CLONE_INTO_CGROUP
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: without CLONE_VM the child owns a copy of the memory and returns from the call on a
    // copy of this stack; `args` is a valid clone_args of the stated size.
    let mut pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) };
    let has_place = args.cgroup == 0 && options.namespaces & NEWTIME == 0;
    if pid < 0 && has_place && io::Error::last_os_error().raw_os_error() == Some(libc::ENOSYS) {
        // Seccomp profiles of containers hide clone3, whose flags a filter cannot see; clone(2) takes
        // the same ones in its lower word, but for a time namespace: its bit is the exit signal's there.
        let flags = args.flags | args.exit_signal;
        // SAFETY: as above; the third argument receives the pidfd.
        pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, &raw mut pidfd, 0, 0) };
    }
    match pid {
        -1 => Err(io::Error::last_os_error()).context(|| "cannot create a process (clone3)".into()),
        0 => {
            let code = body();
            exit_now(code)
        }
        pid => {
            // SAFETY: CLONE_PIDFD stored a fresh descriptor that nobody else owns.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Child { pid: pid as Pid, pidfd })
        }
    }
}

/// Ends the process at once, without destructors or exit handlers.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}

/// One descriptor of a new process: its number there.
#[derive(Debug, Clone, Copy)]
pub struct Inherit<'a> {
    pub fd: BorrowedFd<'a>,
    pub number: RawFd,
}

/// Starts an executable as a child with exactly the given descriptors above stdio
/// (posix_spawn(3): vfork semantics, no copy of the page tables). It begins with no signal blocked, and with
/// SIGPIPE as it is for others: both would be inherited.
pub fn spawn(
    executable: &CStr,
    argv: &[CString],
    environment: &[CString],
    inherit: &[Inherit<'_>],
) -> Result<Pid> {
    let argv: Vec<*mut libc::c_char> = pointers(argv);
    let environment: Vec<*mut libc::c_char> = pointers(environment);
    let mut pid = 0;
    crate::failpoint::step();
    // SAFETY: all-zero is overwritten by the three init functions before any use; argv and
    // environment are null-terminated arrays of strings that outlive the call.
    let code = unsafe {
        let mut actions: libc::posix_spawn_file_actions_t = std::mem::zeroed();
        libc::posix_spawn_file_actions_init(&raw mut actions);
        for item in inherit {
            libc::posix_spawn_file_actions_adddup2(&raw mut actions, item.fd.as_raw_fd(), item.number);
        }
        let mut attributes: libc::posix_spawnattr_t = std::mem::zeroed();
        libc::posix_spawnattr_init(&raw mut attributes);
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::posix_spawnattr_setsigmask(&raw mut attributes, &raw const set);
        libc::sigaddset(&raw mut set, libc::SIGPIPE);
        libc::posix_spawnattr_setsigdefault(&raw mut attributes, &raw const set);
        let flags = (libc::POSIX_SPAWN_SETSIGMASK | libc::POSIX_SPAWN_SETSIGDEF) as libc::c_short;
        libc::posix_spawnattr_setflags(&raw mut attributes, flags);
        let code = libc::posix_spawn(
            &raw mut pid,
            executable.as_ptr(),
            &raw const actions,
            &raw const attributes,
            argv.as_ptr(),
            environment.as_ptr(),
        );
        libc::posix_spawnattr_destroy(&raw mut attributes);
        libc::posix_spawn_file_actions_destroy(&raw mut actions);
        code
    };
    if code != 0 {
        return Err(io::Error::from_raw_os_error(code))
            .context(|| format!("cannot start {}", executable.to_string_lossy()));
    }
    Ok(pid)
}

/// Starts an executable as [`spawn`] does, but as a member of a v2 cgroup from its birth (`CLONE_INTO_CGROUP`, Linux 5.7):
/// a process that moves later waits for every fork on the machine, which takes milliseconds. The price is a copy
/// of this process' page tables. A failure to execute shows as exit code 127.
pub fn spawn_into(
    cgroup: BorrowedFd<'_>,
    executable: &CStr,
    argv: &[CString],
    environment: &[CString],
    inherit: &[Inherit<'_>],
) -> Result<Pid> {
    let (argv, environment) = (pointers(argv), pointers(environment));
    let options = CloneOptions { cgroup: Some(cgroup), ..CloneOptions::default() };
    // The child allocates nothing, so that the caller may have other threads.
    let child = clone(options, || {
        for item in inherit {
            // SAFETY: both are numbers; the child owns its table alone.
            if unsafe { libc::dup2(item.fd.as_raw_fd(), item.number) } < 0 {
                return 127;
            }
        }
        // SAFETY: null-terminated arrays of valid C strings that outlive the call.
        unsafe { libc::execve(executable.as_ptr(), argv.as_ptr().cast(), environment.as_ptr().cast()) };
        127
    })?;
    Ok(child.pid)
}

fn pointers(strings: &[CString]) -> Vec<*mut libc::c_char> {
    strings.iter().map(|s| s.as_ptr().cast_mut()).chain([std::ptr::null_mut()]).collect()
}

/// Replaces this process (execve(2)); returns only the error.
pub fn exec(path: &CStr, argv: &[CString], environment: &[CString]) -> io::Error {
    let argv = pointers(argv);
    let environment = pointers(environment);
    // SAFETY: null-terminated arrays of valid C strings that outlive the call.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr().cast(), environment.as_ptr().cast()) };
    io::Error::last_os_error()
}
