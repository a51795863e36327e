//! Compresses a rotated file, in a process of its own: the container's output does not wait for it.
//!
//! ```text
//!   log.1 ──> .log.gz (being made) ──> log.N.gz, where N is what log.1 is called by then; log.N goes
//! ```
//! The head of a compressed file bears the identity of the original: whoever reads that one while it is replaced
//! knows where to go on.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use flate2::{Compression as Level, GzBuilder};
use rustix::fs::{Mode, OFlags, open};
use sys::process::{self, Child, CloneOptions};

use super::{Identity, compressed, identity, numbered};

/// A compression that is under way.
#[derive(Debug)]
pub(super) struct Compression {
    path: PathBuf,
    /// What the file is called by now.
    number: u32,
    child: Child,
}

fn unfinished(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}.gz"))
}

impl Compression {
    /// Begins with the youngest of the rotated files.
    pub(super) fn start(path: &Path) -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let source = open(numbered(path, 1), flags, Mode::empty()).ok()?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let target = open(unfinished(path), flags, Mode::RUSR | Mode::WUSR).ok()?;
        let child = process::clone(CloneOptions::default(), || {
            // The supervisor's sockets and locks are none of its business.
            let kept = process::close_all_but(&[source.as_fd(), target.as_fd()]);
            let _ = rustix::process::nice(10);
            i32::from(kept.is_err() || compress(source, target).is_err())
        });
        Some(Self { path: path.to_owned(), number: 1, child: child.ok()? })
    }

    /// Removes what a killed one has left.
    pub(super) fn forget(path: &Path) {
        let _ = rustix::fs::unlink(unfinished(path));
    }

    /// The files were renamed once more.
    pub(super) fn shifted(&mut self) {
        self.number += 1;
    }

    pub(super) fn has_ended(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut fds = [PollFd::new(&self.child.pidfd, PollFlags::IN)];
        matches!(poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(count) if count > 0)
    }

    /// Gives up: the file stays as it is.
    pub(super) fn abandon(self) {
        let _ = process::signal(self.child.pidfd.as_fd(), libc::SIGKILL);
        let _ = process::wait(self.child.pid);
        Self::forget(&self.path);
    }

    /// Waits for its end and puts the compressed file in the place of the other, if that is still there.
    pub(super) fn finish(self) {
        let ended = process::wait(self.child.pid);
        let plain = numbered(&self.path, self.number);
        let fine = matches!(ended, Ok(process::ExitStatus::Code(0))) && sys::fs::exists(&plain);
        if fine && rustix::fs::rename(unfinished(&self.path), compressed(&plain)).is_ok() {
            let _ = rustix::fs::unlink(plain);
        } else {
            Self::forget(&self.path);
        }
    }
}

fn compress(source: OwnedFd, target: OwnedFd) -> std::io::Result<()> {
    let mut source = File::from(source);
    let (inode, born) = identity(&source).unwrap_or_default();
    let head = [inode.to_le_bytes(), born.to_le_bytes()].concat();
    let mut encoder = GzBuilder::new().extra(head).write(File::from(target), Level::fast());
    std::io::copy(&mut source, &mut encoder)?;
    encoder.finish()?.flush()
}

/// A compressed file that is being read.
#[derive(Debug)]
pub struct Archive {
    decoder: MultiGzDecoder<File>,
    /// The original's, as [`identity`] has it.
    pub original: Option<Identity>,
}

/// Opens a compressed file; `None` where it is none.
pub fn open_archive(file: File) -> Option<Archive> {
    let decoder = MultiGzDecoder::new(file);
    let head = decoder.header()?.extra().and_then(|extra| <[u8; 16]>::try_from(extra).ok());
    let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).ok();
    let original = head.and_then(|head| Some((number(&head[..8])?, number(&head[8..])?)));
    Some(Archive { decoder, original })
}

impl Read for Archive {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.decoder.read(buffer)
    }
}
