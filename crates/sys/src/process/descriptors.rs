//! The descriptors that a process has: what it inherits, what it passes on, what it must not.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::{Context, Result};

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

/// Closes one descriptor of a forked child that the parent goes on to own in its own table.
pub fn close_one(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: called in a child that leaves by exit_now and never drops the borrowed owner.
    if unsafe { libc::close(fd.as_raw_fd()) } < 0 {
        return Err(io::Error::last_os_error()).context(|| "cannot close a descriptor".into());
    }
    Ok(())
}
