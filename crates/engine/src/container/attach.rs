//! Staying with a container: its streams, the caller's signals, its end.

use std::os::fd::{AsFd, BorrowedFd};

use supervisor::status::Status;
use supervisor::{Attachment, Client, Event, FailureReport, Relay, RelayEnd, relay};

use super::accompany::connect;
use super::find::find;
use super::record::ContainerRecord;
use crate::error::{Error, Result};
use crate::paths::{Engine, EngineConfig};
use crate::request::AttachRequest;

/// Shows what a running container prints and passes input and signals on, until it ends or the user detaches.
pub fn attach(engine: &Engine, request: &AttachRequest, terminal: &Terminal<'_>) -> Result<Outcome> {
    let container = find(engine, &request.container)?;
    let word = &request.container;
    if !container.is_running() {
        return Err(Error::conflict("You cannot attach to a stopped container, start it first")
            .hint(format!("`coracle start --attach {word}` does both")));
    }
    if container.is_paused() {
        return Err(Error::conflict("You cannot attach to a paused container, unpause it first")
            .hint(format!("`coracle unpause {word}`")));
    }
    let record = &container.record;
    let stdin = request.stdin && record.request.interactive;
    if stdin && record.request.tty && !rustix::termios::isatty(terminal.stdin) {
        return Err(Error::invalid("the input device is not a TTY").hint("use --no-stdin to look only"));
    }
    let streams = Attachment { stdin, stdout: true, stderr: true };
    let keys = request.detach_keys.as_ref().map_or(&[16, 17][..], |keys| &keys.0);
    let mut attached = Attached::to_running(engine, record, streams, keys)?;
    attached.resize(terminal);
    attached.stay(terminal, request.sig_proxy)
}

/// The caller's side, as the face found it.
pub struct Terminal<'a> {
    pub stdin: BorrowedFd<'a>,
    pub stdout: BorrowedFd<'a>,
    pub stderr: BorrowedFd<'a>,
    /// Rows and columns, if standard output is a terminal.
    pub size: Option<(u16, u16)>,
    /// Readable when signals arrived.
    pub signals: Option<BorrowedFd<'a>>,
    /// Returns the signals that have arrived since the last call.
    pub take_signals: Box<dyn Fn() -> Vec<i32> + 'a>,
    /// Hears of what the user should know.
    pub warn: &'a dyn Fn(&str),
}

impl std::fmt::Debug for Terminal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal").field("size", &self.size).finish_non_exhaustive()
    }
}

/// How staying ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The container ended with this code.
    Ended(u8),
    /// It runs on.
    Detached,
}

/// A connection to a container that is being started, or runs.
#[derive(Debug)]
pub struct Attached<'a> {
    client: Client,
    engine: EngineConfig,
    id: String,
    name: String,
    terminal_wanted: bool,
    streams: Attachment,
    detach_keys: &'a [u8],
    /// Its first process, once it is started.
    pid: Option<i32>,
}

impl<'a> Attached<'a> {
    pub(crate) fn new(
        engine: &Engine,
        client: Client,
        record: &ContainerRecord,
        streams: Attachment,
        detach_keys: &'a [u8],
    ) -> Self {
        Self {
            client,
            engine: engine.config(),
            id: record.id.clone(),
            name: record.name.clone(),
            terminal_wanted: record.request.tty,
            streams,
            detach_keys: if record.request.tty { detach_keys } else { &[] },
            pid: None,
        }
    }

    /// Connects to a container that runs.
    pub(crate) fn to_running(
        engine: &Engine,
        record: &ContainerRecord,
        streams: Attachment,
        detach_keys: &'a [u8],
    ) -> Result<Self> {
        let run_dir = engine.run_dir(&record.id);
        let client = Client::connect(&run_dir)?;
        client.attach(streams)?;
        crate::events::of_container(engine, record, "attach", &[]);
        let pid = Status::load(&run_dir)?.map(|status| status.pid).filter(|pid| *pid > 0);
        Ok(Self { pid, ..Self::new(engine, client, record, streams, detach_keys) })
    }

    /// Waits until the program runs. Nothing is typed to a container that may yet fail to start.
    pub(crate) fn until_started(&mut self, terminal: &Terminal<'_>) -> Result<()> {
        loop {
            match self.client.receive() {
                Event::Started { pid } => {
                    self.pid = Some(pid);
                    return Ok(());
                }
                Event::Warning(text) => (terminal.warn)(text),
                Event::Failed(report) => return Err(failed(&self.name, report)),
                Event::Lost | Event::Ended { .. } => return Err(lost(&self.name)),
                Event::Output(..) => {}
            }
        }
    }

    /// Gives the container's terminal the size of the caller's. Its program draws anew when that changes: as Docker does,
    /// one row more is told first.
    fn resize(&self, terminal: &Terminal<'_>) {
        if let Some((rows, columns)) = terminal.size.filter(|_| self.terminal_wanted) {
            let _ = self.client.resize(rows.saturating_add(1), columns);
            let _ = self.client.resize(rows, columns);
        }
    }

    /// Phases that the supervisor has told of, with the times of their ends.
    pub(crate) fn marks(&self) -> impl Iterator<Item = (&'static str, i64)> {
        self.client.marks().iter().map(|(phase, at)| (phase.name(), *at))
    }

    /// Relays streams and signals until the container ends or the user detaches.
    pub(crate) fn stay(&mut self, terminal: &Terminal<'_>, sig_proxy: bool) -> Result<Outcome> {
        let raw = (self.terminal_wanted && self.streams.stdin)
            .then(|| sys::terminal::RawMode::enter(terminal.stdin))
            .flatten();
        let relay_streams = Relay {
            stdin: self.streams.stdin.then_some(terminal.stdin),
            stdout: terminal.stdout,
            stderr: terminal.stderr,
            detach_keys: self.detach_keys,
            signals: terminal.signals,
        };
        let pid = self.pid;
        let on_signal = |client: &Client| {
            for signal in (terminal.take_signals)() {
                pass_signal(client, pid, signal, sig_proxy, terminal);
            }
        };
        let end = loop {
            let end = relay(&mut self.client, &relay_streams, on_signal, |text| (terminal.warn)(text));
            match end {
                // Its guardian has started another supervisor, which takes us over.
                Ok(RelayEnd::Lost) if self.reconnect() => {}
                end => break end,
            }
        };
        drop(raw);
        match end {
            Ok(RelayEnd::Ended(code)) => Ok(Outcome::Ended(code)),
            Ok(RelayEnd::Detached) => Ok(Outcome::Detached),
            Ok(RelayEnd::Failed(report)) => Err(failed(&self.name, report)),
            Ok(RelayEnd::Lost) => Err(lost(&self.name)),
            Err(error) => Err(Error::new(
                oci::class::Class::of_os_error(&error),
                format!("cannot pass on the output of container `{}`", self.name),
            )
            .caused_by(error)),
        }
    }

    /// Connects to the supervisor's successor. The guardian holds the socket, so there is no time at which nobody
    /// listens; where it is gone too, another pair takes over.
    fn reconnect(&mut self) -> bool {
        match Engine::open(self.engine.clone()).and_then(|engine| connect(&engine, &self.id)) {
            Ok(Some(client)) if client.attach(self.streams).is_ok() => {
                self.client = client;
                true
            }
            _ => false,
        }
    }
}

/// A window change resizes the container's terminal; other signals go to its process.
fn pass_signal(client: &Client, pid: Option<i32>, signal: i32, sig_proxy: bool, terminal: &Terminal<'_>) {
    if signal == libc::SIGWINCH {
        if let Some((rows, columns)) = sys::terminal::window_size(terminal.stdout) {
            let _ = client.resize(rows, columns);
        }
        return;
    }
    if let Some(pid) = pid.filter(|_| sig_proxy)
        && let Ok(pidfd) = sys::process::open_pidfd(pid)
    {
        let _ = sys::process::signal(pidfd.as_fd(), signal);
    }
}

fn failed(name: &str, report: FailureReport) -> Error {
    let text = format!("cannot start container `{name}`: {}", report.text);
    with_hint(Error::new(oci::class::Class::Invalid, text).exit_code(report.code))
}

/// Says what to do about a program that is not there or cannot be run, as the exit code tells.
pub(crate) fn with_hint(error: Error) -> Error {
    match error.code() {
        Some(127) => error.hint("check the program's name and the image's PATH"),
        Some(126) => error.hint("check that the program is an executable file for this machine"),
        _ => error,
    }
}

fn lost(name: &str) -> Error {
    Error::new(
        oci::class::Class::Unavailable,
        format!("the supervisor of container `{name}` ended before the container did"),
    )
    .hint(format!("`coracle ps -a` tells what became of it, `coracle logs {name}` what it printed"))
}
