//! Signals: received through a descriptor by callers, back to their defaults in children.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

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

/// Unblocks all signals and leaves their actions.
pub fn unblock_all() {
    // SAFETY: an empty set.
    unsafe {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), std::ptr::null_mut());
    }
}
