//! Programs of the host's administrator: one gets a document, is waited for, and its last words are kept.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek};
use rustix::io::Errno;

use crate::process::{self, ExitStatus, Inherit};
use crate::{Context, Error, Result};

/// How much of what a program prints is kept.
const KEPT_BYTES: usize = 1024;

/// What is run; nothing else of ours reaches it.
#[derive(Debug, Clone, Copy)]
pub struct Program<'a> {
    pub path: &'a Path,
    /// With the name of the program; the path where it is empty.
    pub args: &'a [String],
    pub env: &'a [String],
    /// Its standard input.
    pub document: &'a [u8],
    /// After it the program is killed.
    pub timeout: Option<Duration>,
}

/// How a program has ended.
#[derive(Debug)]
pub struct Ended {
    /// Absent where it was killed as its time was out.
    pub status: Option<ExitStatus>,
    timeout: Duration,
    /// The end of what it printed.
    pub said: String,
}

impl Ended {
    /// Tells why the program has failed: `exit code 3: no`; nothing where it has not.
    pub fn failure(&self) -> Option<String> {
        let how = match self.status {
            Some(ExitStatus::Code(0)) => return None,
            Some(ExitStatus::Code(code)) => format!("exit code {code}"),
            Some(ExitStatus::Signal(signal)) => format!("ended by signal {signal}"),
            None => format!("not done after {} s", self.timeout.as_secs()),
        };
        Some(if self.said.is_empty() { how } else { format!("{how}: {}", self.said) })
    }
}

/// Runs a program to its end.
pub fn run(program: &Program<'_>) -> Result<Ended> {
    // Memory files and not pipes: neither side can make the other wait.
    let stdin = memory_file()?;
    write_all(&stdin, program.document)?;
    seek(&stdin, SeekFrom::Start(0)).context(|| "cannot rewind a memory file".into())?;
    let output = memory_file()?;
    let path = text(program.path.as_os_str().as_encoded_bytes())?;
    let words = |list: &[String]| list.iter().map(|word| text(word.as_bytes())).collect::<Result<Vec<_>>>();
    let mut argv = words(program.args)?;
    if argv.is_empty() {
        argv.push(path.clone());
    }
    let inherit = [(&stdin, 0), (&output, 1), (&output, 2)];
    let inherit = inherit.map(|(fd, number)| Inherit { fd: fd.as_fd(), number });
    let pid = process::spawn(&path, &argv, &words(program.env)?, &inherit)?;
    let pidfd = process::open_pidfd(pid)?;
    let in_time = wait_for_end(&pidfd, program.timeout)?;
    if !in_time {
        process::signal(pidfd.as_fd(), libc::SIGKILL)?;
    }
    let status = process::wait(pid)?;
    let timeout = program.timeout.unwrap_or_default();
    Ok(Ended { status: in_time.then_some(status), timeout, said: last_words(&output) })
}

fn text(word: &[u8]) -> Result<CString> {
    CString::new(word)
        .map_err(|error| Error::new("a word for a program holds a NUL byte", io::Error::other(error)))
}

fn memory_file() -> Result<OwnedFd> {
    memfd_create("program", MemfdFlags::CLOEXEC).context(|| "cannot make a memory file".into())
}

fn write_all(fd: &OwnedFd, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        let count = rustix::io::retry_on_intr(|| rustix::io::write(fd, bytes))
            .context(|| "cannot write a memory file".into())?;
        bytes = &bytes[count..];
    }
    Ok(())
}

/// Whether the process has ended within the time.
fn wait_for_end(pidfd: &OwnedFd, timeout: Option<Duration>) -> Result<bool> {
    let timeout = timeout.map(|time| Timespec {
        tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    });
    loop {
        match poll(&mut [PollFd::new(pidfd, PollFlags::IN)], timeout.as_ref()) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(Error::new("cannot wait for a program", error)),
        }
    }
}

/// Returns the end of what was printed.
fn last_words(output: &OwnedFd) -> String {
    let length = rustix::fs::fstat(output).map_or(0, |stat| u64::try_from(stat.st_size).unwrap_or(0));
    let mut buffer = [0; KEPT_BYTES];
    let from = length.saturating_sub(KEPT_BYTES as u64);
    let count = rustix::io::pread(output, &mut buffer, from).unwrap_or(0);
    String::from_utf8_lossy(&buffer[..count]).trim().to_owned()
}
