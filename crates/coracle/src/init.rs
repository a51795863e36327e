//! The init of `--init`: starts the program, passes signals on, reaps orphans, ends as it ends.

use std::ffi::{CString, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use rustix::event::{PollFd, PollFlags, poll};
use sys::process::{self, CloneOptions, ExitStatus};
use sys::signals::Signals;

const SIGCHLD: i32 = 17;

/// Runs as the container's first process.
pub(crate) fn main(args: &[OsString]) -> i32 {
    let program: Vec<CString> = args
        .iter()
        .skip_while(|word| word.as_bytes() == b"--")
        .filter_map(|word| CString::new(word.as_bytes()).ok())
        .collect();
    let Some(first) = program.first() else { return 127 };
    // All but those that a process cannot or should not catch.
    let caught: Vec<i32> = (1..=31).filter(|signal| ![9, 11, 4, 5, 7, 8, 19, 6].contains(signal)).collect();
    let Ok(signals) = Signals::receive(&caught) else { return 125 };
    let environment: Vec<CString> = std::env::vars_os()
        .filter_map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok())
        .collect();
    let child = process::clone(CloneOptions::default(), || {
        sys::signals::reset();
        let _ = rustix::process::setsid();
        if rustix::termios::isatty(rustix::stdio::stdin()) {
            let _ = sys::terminal::set_controlling(rustix::stdio::stdin());
        }
        let mut code = 127;
        for path in candidates(first) {
            let error = process::exec(&path, &program, &environment);
            if error.kind() == std::io::ErrorKind::PermissionDenied {
                code = 126;
            }
        }
        code
    });
    let Ok(child) = child else { return 125 };
    loop {
        let mut fds = [PollFd::new(&signals, PollFlags::IN)];
        let _ = poll(&mut fds, None);
        for signal in signals.take() {
            if signal != SIGCHLD {
                let _ = process::signal(child.pidfd.as_fd(), signal);
            }
        }
        while let Ok(Some((pid, status))) = process::try_wait_any() {
            if pid == child.pid {
                return ExitStatus::from_wait(status).code().into();
            }
        }
    }
}

/// The program itself, or its name in each directory of PATH.
fn candidates(name: &CString) -> Vec<CString> {
    if name.as_bytes().contains(&b'/') {
        return vec![name.clone()];
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    path.as_bytes()
        .split(|byte| *byte == b':')
        .filter_map(|directory| CString::new([directory, b"/", name.as_bytes()].concat()).ok())
        .collect()
}
