//! The caller's terminal and signals for a verb that stays with a container.

use std::os::fd::AsFd;

use engine::container::Terminal;
use sys::signals::Signals;

use crate::output;

/// Signals that are passed on to the container (docker run, `--sig-proxy`).
const PROXIED: [i32; 8] = [1, 2, 3, 10, 12, 13, 15, 28];

/// The process' own streams, its window and its signals.
#[derive(Debug)]
pub(crate) struct Session {
    signals: Option<Signals>,
}

impl Session {
    /// Receives signals if the verb stays.
    pub(crate) fn new(stays: bool) -> sys::Result<Self> {
        Ok(Self { signals: stays.then(|| Signals::receive(&PROXIED)).transpose()? })
    }

    /// Runs with the engine's view of this session.
    pub(crate) fn terminal(&self) -> Terminal<'_> {
        Terminal {
            stdin: rustix::stdio::stdin(),
            stdout: rustix::stdio::stdout(),
            stderr: rustix::stdio::stderr(),
            size: sys::terminal::window_size(rustix::stdio::stdout()),
            signals: self.signals.as_ref().map(AsFd::as_fd),
            take_signals: Box::new(|| self.signals.as_ref().map(Signals::take).unwrap_or_default()),
            warn: &|text| output::stderr(&format!("warning: {text}\n")),
        }
    }
}
