//! Signals: received through a descriptor by callers, back to their defaults in children.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use crate::{Context, Result};

/// Some signals, delivered to a descriptor (signalfd(2)) and blocked otherwise.
#[derive(Debug)]
pub struct Signals {
    fd: OwnedFd,
}

impl Signals {
    /// Blocks the signals and returns the descriptor that receives them.
    pub fn receive(signals: &[i32]) -> Result<Self> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigemptyset initialises the set before any other use of it.
        let fd = unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for signal in signals {
                libc::sigaddset(set.as_mut_ptr(), *signal);
            }
            libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
            libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
        };
        if fd < 0 {
            return Err(io::Error::last_os_error()).context(|| "cannot receive signals".into());
        }
        // SAFETY: fresh descriptor.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Returns the numbers of the signals that have arrived.
    pub fn take(&self) -> Vec<i32> {
        let mut taken = Vec::new();
        let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: the buffer has the size told; it is read only after a full read.
        while unsafe { libc::read(self.fd.as_raw_fd(), info.as_mut_ptr().cast(), size) } == size as isize {
            // SAFETY: the kernel has filled it.
            taken.push(unsafe { info.assume_init_ref() }.ssi_signo as i32);
        }
        taken
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Unblocks all signals and gives each its default action. Rust ignores SIGPIPE and faces block what
/// they receive; both would be inherited by the container's program (execve(2)).
pub fn reset() {
    // SAFETY: SIG_DFL is a valid disposition; refusals (SIGKILL, SIGSTOP) are without consequence.
    unsafe {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), std::ptr::null_mut());
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}

/// The descriptor that [`empty_on`] speaks of.
static EMPTIED: AtomicI32 = AtomicI32::new(-1);

/// From now on, when the signal arrives, this descriptor becomes another of standard input: what it led to is closed,
/// and its number stays taken. A process that waits for something else need not wake for it. One descriptor a process.
pub fn empty_on(signal: i32, fd: BorrowedFd<'_>) -> Result<()> {
    extern "C" fn empty(_: libc::c_int) {
        let fd = EMPTIED.load(Ordering::Relaxed);
        // SAFETY: dup3 is async-signal-safe by Linux's nature as a plain system call; the number stays a valid
        // descriptor for its owner. It fails for -1.
        unsafe { libc::syscall(libc::SYS_dup3, 0, fd, libc::O_CLOEXEC) };
    }
    EMPTIED.store(fd.as_raw_fd(), Ordering::Relaxed);
    let handler = empty as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // SAFETY: the handler makes one system call and touches no memory but an atomic.
    if unsafe { libc::signal(signal, handler) } == libc::SIG_ERR {
        return Err(io::Error::last_os_error()).context(|| format!("cannot receive signal {signal}"));
    }
    Ok(())
}

/// Does at once what [`empty_on`] does when the signal arrives.
pub fn empty_now(fd: BorrowedFd<'_>) {
    // SAFETY: the number stays a valid descriptor for its owner.
    unsafe { libc::syscall(libc::SYS_dup3, 0, fd.as_raw_fd(), libc::O_CLOEXEC) };
}

/// Runs with all signals unblocked, so that they end this process as they usually do: for what takes long and
/// leaves nothing behind that has to be cleared away.
pub fn let_through<T>(body: impl FnOnce() -> T) -> T {
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: an empty set; the mask before is written by the kernel.
    unsafe {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), before.as_mut_ptr());
    }
    let outcome = body();
    // SAFETY: it was written above.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    outcome
}

/// Unblocks all signals and leaves their actions.
pub fn unblock_all() {
    // SAFETY: an empty set.
    unsafe {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), std::ptr::null_mut());
    }
}
