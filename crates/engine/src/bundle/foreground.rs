//! Staying with a process: signals go on to it, and bytes between its terminal and the caller's.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::container::Terminal;
use crate::error::Result;

/// Waits for the end of a process, which the caller then reaps.
pub(super) fn until_end(
    pidfd: &OwnedFd,
    master: Option<BorrowedFd<'_>>,
    terminal: &Terminal<'_>,
) -> Result<()> {
    let raw = master.and_then(|_| sys::terminal::RawMode::enter(terminal.stdin));
    let mut input_open = master.is_some();
    let mut output_open = master.is_some();
    let mut buffer = vec![0; if master.is_some() { 16 << 10 } else { 0 }];
    loop {
        let idle = PollFd::new(pidfd, PollFlags::empty());
        let mut fds = [
            PollFd::new(pidfd, PollFlags::IN),
            terminal.signals.map_or(idle.clone(), |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)),
            master
                .filter(|_| output_open)
                .map_or(idle.clone(), |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)),
            if input_open { PollFd::from_borrowed_fd(terminal.stdin, PollFlags::IN) } else { idle },
        ];
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(sys::Error::new("cannot wait for the process", error).into()),
        }
        let [ended, signal, output, input] = fds.map(|fd| !fd.revents().is_empty());
        if signal && terminal.signals.is_some() {
            pass_signals(pidfd, master, terminal);
        }
        if let Some(master) = master {
            if output && output_open {
                output_open = pass(master, terminal.stdout, &mut buffer);
                // What it has printed before its end comes first.
                if output_open {
                    continue;
                }
            }
            if input && input_open && !ended {
                input_open = pass(terminal.stdin, master, &mut buffer);
            }
        }
        if ended {
            drop(raw);
            return Ok(());
        }
    }
}

fn pass_signals(pidfd: &OwnedFd, master: Option<BorrowedFd<'_>>, terminal: &Terminal<'_>) {
    for signal in (terminal.take_signals)() {
        match (signal, master) {
            (libc::SIGWINCH, Some(master)) => {
                if let Some((rows, columns)) = sys::terminal::window_size(terminal.stdout) {
                    let _ = sys::terminal::set_window_size(master, rows, columns);
                }
            }
            // It may have ended already.
            _ => drop(sys::process::signal(pidfd.as_fd(), signal)),
        }
    }
}

/// Moves what there is to read; returns whether there may be more.
fn pass(from: BorrowedFd<'_>, to: BorrowedFd<'_>, buffer: &mut [u8]) -> bool {
    let mut rest = match rustix::io::read(from, &mut *buffer) {
        Ok(0) => return false,
        Ok(count) => &buffer[..count],
        Err(Errno::INTR | Errno::AGAIN) => return true,
        // EIO of a master: every terminal side is closed.
        Err(_) => return false,
    };
    while !rest.is_empty() {
        match rustix::io::write(to, rest) {
            Ok(count) => rest = &rest[count..],
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
    true
}
