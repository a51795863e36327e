//! Processes: clone3, spawn from a pinned executable, pidfds, waiting, prctl.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::{Context, Result};

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

pub const NEWNS: u64 = libc::CLONE_NEWNS as u64;
pub const NEWUSER: u64 = libc::CLONE_NEWUSER as u64;
pub const NEWPID: u64 = libc::CLONE_NEWPID as u64;
pub const NEWNET: u64 = libc::CLONE_NEWNET as u64;
pub const NEWIPC: u64 = libc::CLONE_NEWIPC as u64;
pub const NEWUTS: u64 = libc::CLONE_NEWUTS as u64;
pub const NEWCGROUP: u64 = libc::CLONE_NEWCGROUP as u64;
pub const NEWTIME: u64 = 0x80;

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

/// Ends the process at once, without destructors or exit handlers.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    Code(u8),
    Signal(u8),
}

impl ExitStatus {
    /// Decodes the raw word of wait(2).
    pub fn from_wait(status: i32) -> Self {
        if libc::WIFSIGNALED(status) {
            Self::Signal(libc::WTERMSIG(status) as u8)
        } else {
            Self::Code(libc::WEXITSTATUS(status) as u8)
        }
    }

    /// Returns the shell's exit code: 128 + n for a signal.
    pub fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

/// Waits for one child and returns how it ended.
pub fn wait(pid: Pid) -> Result<ExitStatus> {
    let (_, status) = wait_raw(pid, 0)?;
    Ok(ExitStatus::from_wait(status))
}

/// Waits for any child; `None` when there is none left.
pub fn wait_any() -> Result<Option<(Pid, i32)>> {
    match wait_raw(-1, 0) {
        Ok(pair) => Ok(Some(pair)),
        Err(error) if error.errno() == Some(rustix::io::Errno::CHILD) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reaps one ended child without waiting; `None` when none has ended.
pub fn try_wait_any() -> Result<Option<(Pid, i32)>> {
    match wait_raw(-1, libc::WNOHANG) {
        Ok((0, _)) => Ok(None),
        Ok(pair) => Ok(Some(pair)),
        Err(error) if error.errno() == Some(rustix::io::Errno::CHILD) => Ok(None),
        Err(error) => Err(error),
    }
}

fn wait_raw(pid: Pid, options: i32) -> Result<(Pid, i32)> {
    loop {
        let mut status = 0;
        // __WALL: children made with CLONE_PARENT may carry another exit signal than SIGCHLD.
        // SAFETY: `status` is a valid out pointer.
        let got = unsafe { libc::waitpid(pid, &raw mut status, options | libc::__WALL) };
        if got >= 0 {
            return Ok((got, status));
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::EINTR) {
            return Err(error).context(|| format!("cannot wait for process {pid}"));
        }
    }
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

/// Closes all descriptors from `first` on (close_range(2), Linux 5.9).
pub fn close_from(first: RawFd) -> Result<()> {
    // SAFETY: the caller is a process that owns its descriptor table alone and uses no descriptor
    // above `first` afterwards.
    let code = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    if code < 0 {
        return Err(io::Error::last_os_error()).context(|| "cannot close inherited descriptors".into());
    }
    Ok(())
}

/// Closes every descriptor above stdio but the given ones: locks and pipe ends of the parent must
/// not live on in a child.
pub fn close_all_but(keep: &[BorrowedFd<'_>]) -> Result<()> {
    close_others_from(3, keep)
}

/// Closes every descriptor from `first` on but the given ones; those below are for the program.
pub fn close_others_from(first: RawFd, keep: &[BorrowedFd<'_>]) -> Result<()> {
    let mut first = first as u32;
    let mut numbers: Vec<u32> = keep.iter().map(|fd| fd.as_raw_fd() as u32).collect();
    numbers.retain(|number| *number >= first);
    numbers.sort_unstable();
    for number in numbers {
        if number > first {
            // SAFETY: the child owns its table and uses only what it keeps.
            unsafe { libc::syscall(libc::SYS_close_range, first, number - 1, 0) };
        }
        first = number + 1;
    }
    close_from(first as RawFd)
}

/// Marks all descriptors from `first` on close-on-exec (close_range(2) `CLOSE_RANGE_CLOEXEC`,
/// Linux 5.11; CVE-2024-21626: no descriptor leaks into the container).
pub fn cloexec_from(first: RawFd) -> Result<()> {
    // SAFETY: only flags are changed.
    let code = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if code < 0 {
        return Err(io::Error::last_os_error()).context(|| "cannot protect inherited descriptors".into());
    }
    Ok(())
}

/// Takes a descriptor that the parent passed under a known number.
///
/// Returns `None` if it is not open. The caller states that nothing else in this process owns it.
pub fn take_inherited(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: F_GETFD on any number is harmless.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return None;
    }
    // SAFETY: open, and by contract owned by nobody else in this process.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    let _ = rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC);
    Some(fd)
}

/// Gives `fd` the number `number` in this process, open across exec; used for 0, 1 and 2.
pub fn dup_onto(fd: BorrowedFd<'_>, number: RawFd) -> Result<()> {
    // SAFETY: the number is a stdio slot that no OwnedFd of ours holds.
    if unsafe { libc::dup2(fd.as_raw_fd(), number) } < 0 {
        return Err(io::Error::last_os_error()).context(|| format!("cannot set up descriptor {number}"));
    }
    Ok(())
}

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

/// Sends a signal to the process of a pidfd.
pub fn signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<()> {
    crate::failpoint::step();
    // SAFETY: a null siginfo asks for the same information as kill(2).
    let code = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, std::ptr::null::<u8>(), 0)
    };
    if code < 0 {
        return Err(io::Error::last_os_error()).context(|| format!("cannot send signal {signal}"));
    }
    Ok(())
}

/// Opens a pidfd of a process.
pub fn open_pidfd(pid: Pid) -> Result<OwnedFd> {
    // SAFETY: the call returns a new descriptor or -1.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error()).context(|| format!("cannot open process {pid}"));
    }
    // SAFETY: fresh descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

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

/// Returns the exit status kept behind a pidfd after the process was reaped by somebody else
/// (`PIDFD_GET_INFO` with `PIDFD_INFO_EXIT`, Linux 6.15).
pub fn exit_status_of(pidfd: BorrowedFd<'_>) -> Option<i32> {
    #[repr(C)]
    #[derive(Default)]
    struct PidfdInfo {
        mask: u64,
        cgroupid: u64,
        ids: [u32; 11],
        exit_code: i32,
        extra: [u32; 4],
    }
    const PIDFD_INFO_EXIT: u64 = 1 << 3;
    let mut info = PidfdInfo { mask: PIDFD_INFO_EXIT, ..PidfdInfo::default() };
    // _IOWR(0xFF, 11, struct of this size)
    let request = (3u64 << 30) | ((size_of::<PidfdInfo>() as u64) << 16) | (0xff << 8) | 11;
    // SAFETY: the kernel writes at most the size encoded in the request.
    let code = unsafe { libc::ioctl(pidfd.as_raw_fd(), request as libc::Ioctl, &raw mut info) };
    (code == 0 && info.mask & PIDFD_INFO_EXIT != 0).then_some(info.exit_code)
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

/// Closes one descriptor of a forked child that the parent goes on to own in its own table.
pub fn close_one(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: called in a child that leaves by exit_now and never drops the borrowed owner.
    if unsafe { libc::close(fd.as_raw_fd()) } < 0 {
        return Err(io::Error::last_os_error()).context(|| "cannot close a descriptor".into());
    }
    Ok(())
}
