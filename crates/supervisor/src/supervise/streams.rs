//! The streams of a container's next run: what the guardian holds serves again, and a terminal is made anew.
//!
//! A devpts instance goes with the mounts of the container that had it. The one of the next run is made by the
//! supervisor, and put where the guardian keeps it without having to act: into a socket of its own that nobody reads. A successor looks at
//! what lies there (`MSG_PEEK`, unix(7)).

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use rustix::pipe::{PipeFlags, pipe_with};
use sys::Context;

use crate::guardian::{ContainerEnds, Holdings, null, program_ends};
use crate::job::Job;

/// Makes the container's ends for another run, and its terminal if it has one: then the holdings with that. Input that
/// has ended in an earlier run begins anew; its pipe is ours alone and ends with us.
pub(super) fn renew(holdings: &Holdings, job: &Job) -> sys::Result<(Option<Holdings>, ContainerEnds)> {
    if let Some(old) = &holdings.console {
        let console = runtime::Console::new(&job.plan).map_err(|error| {
            sys::Error::new(format!("cannot make a terminal: {error}"), std::io::ErrorKind::Other)
        })?;
        if let Some((rows, columns)) = sys::terminal::window_size(&old.pty.master) {
            sys::terminal::set_window_size(console.pty.master.as_fd(), rows, columns)?;
        }
        take(holdings, RecvFlags::empty());
        put(holdings, &console)?;
        let ends = ContainerEnds { stdin: null()?, stdout: null()?, stderr: null()? };
        return Ok((Some(with_console(holdings, console)?), ends));
    }
    let (stdout, stderr) = program_ends(&job.run_dir)?;
    let (renewed, stdin) = match holdings.open_stdin() {
        Some(writer) => (None, reopen_input(writer)?),
        None if job.open_stdin => {
            let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).context(|| "cannot make a pipe".into())?;
            (Some(Holdings { stdin: Some(writer), ..clone(holdings)? }), reader)
        }
        None => (None, null()?),
    };
    Ok((renewed, ContainerEnds { stdin, stdout, stderr }))
}

/// Opens the other end of the input, of which there was none left. What the last run has not read was not meant for this one.
fn reopen_input(writer: &OwnedFd) -> sys::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", writer.as_raw_fd());
    let reader = |flags| {
        rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC | flags, Mode::empty())
            .on_path("open", std::path::Path::new(&path))
    };
    let old = reader(OFlags::NONBLOCK)?;
    let mut bytes = [0u8; 4096];
    while rustix::io::read(&old, &mut bytes).is_ok_and(|count| count > 0) {}
    reader(OFlags::empty())
}

/// Returns the holdings of the run that goes on, where they are not those that the guardian has begun with.
pub(super) fn of_run(holdings: &Holdings) -> Option<Holdings> {
    let console = take(holdings, RecvFlags::PEEK)?;
    with_console(holdings, console).ok()
}

fn with_console(holdings: &Holdings, console: runtime::Console) -> sys::Result<Holdings> {
    Ok(Holdings { console: Some(console), ..clone(holdings)? })
}

/// The same without the terminal.
fn clone(holdings: &Holdings) -> sys::Result<Holdings> {
    let clone = |fd: &OwnedFd| fd.try_clone().context(|| "cannot keep a descriptor".into());
    let shelf = holdings.shelf.as_ref().map(|(one, other)| Ok((clone(one)?, clone(other)?)));
    Ok(Holdings {
        stdout: holdings.stdout.as_ref().map(clone).transpose()?,
        stderr: holdings.stderr.as_ref().map(clone).transpose()?,
        stdin: holdings.stdin.as_ref().map(clone).transpose()?,
        console: None,
        shelf: shelf.transpose()?,
        listener: clone(&holdings.listener)?,
        ports: holdings.ports.iter().map(clone).collect::<sys::Result<_>>()?,
        hierarchies: holdings.hierarchies.clone(),
    })
}

/// Puts a terminal where it outlives this supervisor.
fn put(holdings: &Holdings, console: &runtime::Console) -> sys::Result<()> {
    let Some((shelf, _)) = &holdings.shelf else { return Ok(()) };
    let fds = [console.devpts.mount.as_fd(), console.pty.master.as_fd(), console.pty.terminal.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(shelf, &[IoSlice::new(b"c")], &mut control, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
        .context(|| "cannot keep a terminal".into())?;
    Ok(())
}

/// Looks at the terminal that was put there, or takes it away.
fn take(holdings: &Holdings, flags: RecvFlags) -> Option<runtime::Console> {
    let (_, shelf) = holdings.shelf.as_ref()?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0u8; 1];
    let mut data = [std::io::IoSliceMut::new(&mut byte)];
    let flags = flags | RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    recvmsg(shelf, &mut data, &mut control, flags).ok()?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            fds.extend(received);
        }
    }
    let [mount, master, terminal] = <[OwnedFd; 3]>::try_from(fds).ok()?;
    let pty = sys::terminal::Pty { master, terminal };
    Some(runtime::Console { devpts: sys::terminal::Devpts { mount }, pty })
}
