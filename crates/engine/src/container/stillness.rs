//! A container that stands still while its files are read, and runs on whatever becomes of the reader.

use std::os::fd::{AsFd, OwnedFd};

use rustix::pipe::{PipeFlags, pipe_with};
use sys::process::{Child, CloneOptions};

use super::exec::open_group;
use super::find::Container;
use crate::error::{Doing, Error, Result};

/// Keeps a container frozen until it is dropped, or this process ends.
///
/// A process that waits for that end lets the container run on: a command that is killed leaves no frozen container.
#[derive(Debug)]
pub(crate) struct Stillness {
    /// Its other end tells the watcher that we are done.
    end: Option<OwnedFd>,
    watcher: Child,
}

impl Stillness {
    /// Freezes a container that runs; `None` where nothing runs, or somebody has paused it.
    ///
    /// To be called before there are threads: the watcher is a copy of this process.
    pub(crate) fn begin(container: &Container) -> Result<Option<Self>> {
        if !container.is_running() || container.is_paused() {
            return Ok(None);
        }
        let name = &container.record.name;
        let path = container.status.as_ref().and_then(|status| status.cgroup.clone());
        let group = open_group(path.as_deref());
        let group = group.ok_or_else(|| {
            Error::unsupported(format!("cannot pause container `{name}`: it has no cgroup"))
                .hint("read its files while it runs with --pause=false")
        })?;
        let doing = || format!("cannot pause container `{name}`");
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)
            .map_err(|errno| sys::Error::new("cannot make a pipe", errno))
            .doing(doing)?;
        // Before the freezing: from the first moment on there is somebody who ends it.
        let watcher = sys::process::clone(CloneOptions::default(), || {
            // Out of the reach of Ctrl-C, which is for the command.
            let _ = rustix::process::setsid();
            // Locks and streams of the command are not held any longer than it lives.
            let _ = sys::process::close_others_from(0, &[reader.as_fd()]);
            let _ = rustix::io::retry_on_intr(|| rustix::io::read(&reader, &mut [0; 1]));
            i32::from(open_group(path.as_deref()).is_none_or(|group| group.thaw().is_err()))
        })
        .doing(doing)?;
        drop(reader);
        let stillness = Self { end: Some(writer), watcher };
        group.freeze().doing(doing)?;
        Ok(Some(stillness))
    }
}

impl Drop for Stillness {
    fn drop(&mut self) {
        drop(self.end.take());
        // It ends when the container runs on.
        let _ = sys::process::wait(self.watcher.pid);
    }
}
