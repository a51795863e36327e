//! The caller's terminal and signals for a verb that stays with a container.

use std::os::fd::AsFd;

use engine::container::Terminal;
use sys::signals::Signals;

use crate::output;

/// Signals that are passed on to the container (docker run, `--sig-proxy`).
const PROXIED: [i32; 8] = [1, 2, 3, 10, 12, 13, 15, WINDOW_CHANGE];
const WINDOW_CHANGE: i32 = 28;

/// The process' own streams, its window and its signals.
#[derive(Debug)]
pub(crate) struct Session {
    signals: Option<Signals>,
}

/// Which signals do not do what they usually do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// None: the verb does not stay.
    Nothing,
    /// Changes of the window; all others end the command, and the container runs on.
    Window,
    /// All that are passed on to the container.
    All,
}

impl Heard {
    /// What a verb hears that stays with a container.
    pub(crate) fn staying(sig_proxy: bool) -> Self {
        if sig_proxy { Self::All } else { Self::Window }
    }
}

impl Session {
    /// Receives these signals.
    pub(crate) fn new(heard: Heard) -> sys::Result<Self> {
        let signals: &[i32] = match heard {
            Heard::Nothing => return Ok(Self { signals: None }),
            Heard::Window => &[WINDOW_CHANGE],
            Heard::All => &PROXIED,
        };
        Ok(Self { signals: Some(Signals::receive(signals)?) })
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
