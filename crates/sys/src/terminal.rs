//! Pseudo-terminals of a container's own devpts, window sizes and raw mode.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags, openat};
use rustix::mount::MountAttrFlags;

use crate::mount::{self, Parameter};
use crate::{Context, Result};

/// A private devpts instance, made before the container so that its keeper owns the master.
#[derive(Debug)]
pub struct Devpts {
    pub mount: OwnedFd,
}

/// A pty: the master, and the terminal side as opened by its own kernel handle.
#[derive(Debug)]
pub struct Pty {
    pub master: OwnedFd,
    pub terminal: OwnedFd,
}

impl Devpts {
    /// Makes a new instance; ids are the host's.
    pub fn new(root_uid: u32, root_gid: u32, parameters: &[Parameter<'_>]) -> Result<Self> {
        let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        let mount = mount::create("devpts", parameters, flags)?;
        // The instance belongs to root inside.
        rustix::fs::chownat(
            &mount,
            "",
            Some(rustix::fs::Uid::from_raw(root_uid)),
            Some(rustix::fs::Gid::from_raw(root_gid)),
            rustix::fs::AtFlags::EMPTY_PATH,
        )
        .context(|| "cannot give the terminals to the container".into())?;
        Ok(Self { mount })
    }

    /// Opens a new pty. The terminal side comes from the master by `TIOCGPTPEER` (ioctl_tty(2), Linux
    /// 4.13), never by a path inside the container (CVE-2025-52565).
    pub fn open_pty(&self) -> Result<Pty> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let master =
            openat(&self.mount, "ptmx", flags, Mode::empty()).context(|| "cannot open a terminal".into())?;
        let unlock: libc::c_int = 0;
        // SAFETY: TIOCSPTLCK reads one int; TIOCGPTPEER takes open flags and returns a descriptor.
        let terminal = unsafe {
            if libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlock) < 0 {
                return Err(io::Error::last_os_error()).context(|| "cannot unlock a terminal".into());
            }
            libc::ioctl(
                master.as_raw_fd(),
                libc::TIOCGPTPEER,
                libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC,
            )
        };
        if terminal < 0 {
            return Err(io::Error::last_os_error()).context(|| "cannot open the terminal side".into());
        }
        // SAFETY: fresh descriptor from TIOCGPTPEER.
        let terminal = unsafe { OwnedFd::from_raw_fd(terminal) };
        Ok(Pty { master, terminal })
    }
}

/// Sets the window size in characters.
pub fn set_window_size(fd: BorrowedFd<'_>, rows: u16, columns: u16) -> Result<()> {
    let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(fd, size).context(|| "cannot set the terminal size".into())
}

/// Returns the window size (rows, columns) of a terminal, if it is one.
pub fn window_size(fd: impl AsFd) -> Option<(u16, u16)> {
    rustix::termios::tcgetwinsize(fd).ok().map(|size| (size.ws_row, size.ws_col))
}

/// Makes a terminal the controlling one of this session leader.
pub fn set_controlling(fd: BorrowedFd<'_>) -> Result<()> {
    rustix::process::ioctl_tiocsctty(fd).context(|| "cannot take the controlling terminal".into())
}

/// Raw mode for as long as this value lives.
#[derive(Debug)]
pub struct RawMode {
    fd: OwnedFd,
    before: rustix::termios::Termios,
}

impl RawMode {
    /// Switches a terminal to raw mode; `None` when it is no terminal.
    pub fn enter(fd: BorrowedFd<'_>) -> Option<Self> {
        let before = rustix::termios::tcgetattr(fd).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(fd, rustix::termios::OptionalActions::Now, &raw).ok()?;
        Some(Self { fd: fd.try_clone_to_owned().ok()?, before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = rustix::termios::tcsetattr(&self.fd, rustix::termios::OptionalActions::Now, &self.before);
    }
}
