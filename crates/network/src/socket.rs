//! Talking to the kernel over netlink. It works while we send: the answers are there when that call returns, and
//! nothing here ever waits.

use std::cell::Cell;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags, SocketFlags, recv, send, sockopt};
use sys::Context;
use sys::netlink::Subject;

use crate::error::{Error, Result};
use crate::wire::{self, Batch, Message};

/// Larger than any answer: dumps come in pieces of at most 32 KiB (netlink_recvmsg in the kernel).
const BUFFER: usize = 64 << 10;
/// Larger than an acknowledgement, which is a header and a sentence, and than what is told of one interface.
const ANSWER: usize = 16 << 10;
/// What a socket sends at once without being asked for more (net.core.wmem_default is 208 KiB).
const SEND_PLAIN: usize = 160 << 10;
/// How often a dump that others disturb is begun anew; then what was read is taken.
const DUMPS: usize = 8;

/// A socket of the network namespace in which it was opened, wherever its owner goes (setns(2)).
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    subject: Subject,
    /// Set while answers may be under way.
    busy: Cell<bool>,
}

/// A socket that is used again and again. Closing one of the packet filter waits, with its lock held, until the kernel
/// has freed what anybody removed lately (`nft_rcv_nl_event`): ten milliseconds in which nobody's container starts.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<Option<Socket>>);

/// A socket that goes back where it came from.
#[derive(Debug)]
pub(crate) struct Lent<'a> {
    kept: &'a Kept,
    socket: Option<Socket>,
}

impl Kept {
    /// Lends the socket, or a new one while it is lent already.
    pub(crate) fn lend(&self, subject: Subject) -> Result<Lent<'_>> {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let socket = idle.map_or_else(|| Socket::open(subject), Ok)?;
        Ok(Lent { kept: self, socket: Some(socket) })
    }
}

impl Deref for Lent<'_> {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        self.socket.as_ref().expect("only dropping takes it")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(socket) = self.socket.take().filter(|socket| !socket.busy.get()) {
            *self.kept.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(socket);
        }
    }
}

/// A message of a batch that the kernel refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Which message, from 0.
    pub(crate) index: usize,
    pub(crate) errno: Errno,
    /// What was tried, behind "cannot".
    what: String,
    /// The kernel's own words, if it has any.
    why: Option<String>,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let why = refusal.why.map_or_else(String::new, |why| format!(" ({why})"));
        Self::Refused { what: format!("{}{why}", refusal.what), source: refusal.errno.into() }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Socket {
    pub(crate) fn open(subject: Subject) -> Result<Self> {
        let fd = sys::netlink::open(subject, SocketFlags::empty())?;
        Ok(Self { fd, subject, busy: Cell::new(false) })
    }

    /// Sends a batch; returns the messages that were refused. Those of rtnetlink stand for themselves. Those of the
    /// packet filter are one transaction: after one refusal nothing was done.
    pub(crate) fn send(&self, batch: Batch) -> Result<Vec<Refusal>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        match self.subject {
            Subject::Route => self.exchange(batch),
            Subject::Netfilter => self.transact(batch),
        }
    }

    /// Sends a batch of which every message must be obeyed.
    pub(crate) fn apply(&self, batch: Batch) -> Result<()> {
        match self.send(batch)?.into_iter().next() {
            Some(refusal) => Err(refusal.into()),
            None => Ok(()),
        }
    }

    /// Sends a request of one message that is no transaction; returns a refusal.
    pub(crate) fn exchange(&self, mut batch: Batch) -> Result<Vec<Refusal>> {
        batch.acknowledge();
        let last = batch.len() as u32;
        self.push(batch.finish())?;
        self.refusals(&batch, last, None)
    }

    /// Sends messages of the packet filter as one transaction.
    fn transact(&self, mut batch: Batch) -> Result<Vec<Refusal>> {
        let last = batch.len() as u32;
        self.push(&batch.framed())?;
        self.refusals(&batch, last, Some(0))
    }

    fn push(&self, bytes: &[u8]) -> Result<()> {
        sys::failpoint::step();
        if bytes.len() > SEND_PLAIN {
            // The kernel counts its own overhead too. Root of a user namespace may only ask.
            let _ = sockopt::set_socket_send_buffer_size_force(&self.fd, bytes.len() * 2)
                .or_else(|_| sockopt::set_socket_send_buffer_size(&self.fd, bytes.len() * 2));
        }
        self.busy.set(true);
        retry_on_intr(|| send(&self.fd, bytes, SendFlags::empty()))
            .context(|| "cannot send to the kernel (netlink)".into())?;
        Ok(())
    }

    /// Reads answers up to that of the last message, or to one of the transaction as a whole.
    fn refusals(&self, batch: &Batch, last: u32, whole: Option<u32>) -> Result<Vec<Refusal>> {
        let mut refusals = Vec::new();
        let mut buffer = [0; ANSWER];
        let mut done = false;
        // After an error the others are read as well, so that the next batch does not find them.
        while !done || whole.is_some() && !refusals.is_empty() {
            let length = match self.receive(&mut buffer) {
                Err(Errno::AGAIN) if done => break,
                other => other.context(|| "cannot read the kernel's answer (netlink)".into())?,
            };
            for message in wire::messages(&buffer[..length]) {
                let Some((code, why)) = message.acknowledgement() else { continue };
                done |= message.sequence == last || Some(message.sequence) == whole;
                if code != 0 {
                    let what = batch.label(message.sequence);
                    let what = if what.is_empty() { "change the packet filter" } else { what };
                    refusals.push(Refusal {
                        index: (message.sequence as usize).saturating_sub(1),
                        errno: Errno::from_raw_os_error(code),
                        what: what.to_owned(),
                        why,
                    });
                }
            }
        }
        self.busy.set(false);
        refusals.sort_by_key(|refusal| refusal.index);
        Ok(refusals)
    }

    fn receive(&self, buffer: &mut [u8]) -> rustix::io::Result<usize> {
        let (length, _) = retry_on_intr(|| recv(&self.fd, &mut *buffer, RecvFlags::DONTWAIT))?;
        Ok(length)
    }

    /// Asks for a list and gives each message to `each`. A list that changed while it was read is read once more:
    /// `restart` forgets what was given.
    pub(crate) fn dump<T: Default>(
        &self,
        mut request: Batch,
        mut each: impl FnMut(&mut T, Message<'_>),
    ) -> Result<T> {
        let label = request.label(1).to_owned();
        for attempt in 1.. {
            let mut found = T::default();
            self.push(request.finish())?;
            let whole = self.read_dump(&label, |message| each(&mut found, message))?;
            self.busy.set(false);
            if whole || attempt == DUMPS {
                return Ok(found);
            }
        }
        Ok(T::default())
    }

    /// Asks for one thing; the answer is one message, or a refusal.
    pub(crate) fn ask<T>(
        &self,
        mut request: Batch,
        read: impl FnOnce(Message<'_>) -> Option<T>,
    ) -> Result<Option<T>> {
        self.push(request.finish())?;
        let mut buffer = [0; ANSWER];
        let length =
            self.receive(&mut buffer).context(|| "cannot read the kernel's answer (netlink)".into())?;
        self.busy.set(false);
        let Some(message) = wire::messages(&buffer[..length]).next() else { return Ok(None) };
        refused(request.label(1), &message)?;
        Ok(read(message))
    }

    fn read_dump(&self, label: &str, mut each: impl FnMut(Message<'_>)) -> Result<bool> {
        let mut buffer = vec![0; BUFFER];
        let mut whole = true;
        loop {
            let length =
                self.receive(&mut buffer).context(|| "cannot read the kernel's answer (netlink)".into())?;
            for message in wire::messages(&buffer[..length]) {
                whole &= message.flags & wire::DUMP_INTERRUPTED == 0;
                match message.kind {
                    wire::KIND_DONE => return Ok(whole),
                    wire::KIND_ERROR => {
                        self.busy.set(false);
                        return refused(label, &message).map(|()| whole);
                    }
                    _ => each(message),
                }
            }
        }
    }
}

/// Reads a refusal of a request that is answered by what was asked for.
fn refused(label: &str, message: &Message<'_>) -> Result<()> {
    match message.acknowledgement() {
        Some((code, why)) if code != 0 => {
            let why = why.map_or_else(String::new, |why| format!(" ({why})"));
            let source = Errno::from_raw_os_error(code).into();
            Err(Error::Refused { what: format!("{label}{why}"), source })
        }
        _ => Ok(()),
    }
}
