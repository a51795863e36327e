//! Processes by descriptor: no number that may be another's by now.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::Pid;
use crate::{Context, Result};

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
