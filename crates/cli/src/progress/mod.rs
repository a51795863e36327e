//! How a build is shown while it goes on: as lines, as a screenful that is drawn again, as JSON, or not at all.

mod base64;
mod plain;
mod raw;
mod screen;
mod tty;

use engine::build::Progress;

pub(crate) use plain::Plain;
pub(crate) use raw::Raw;
pub(crate) use tty::Tty;

use crate::grammar::build::ProgressKind;

/// What is shown, and what is told when a build has failed.
pub(crate) trait Display: Progress {
    /// The end: nothing is told afterwards.
    fn end(&self, _failed: bool) {}
}

/// Chooses by what was asked for, and by what standard error is.
pub(crate) fn display(kind: ProgressKind) -> Box<dyn Display> {
    let is_terminal = rustix::termios::isatty(rustix::stdio::stderr());
    match kind {
        ProgressKind::Quiet => Box::new(Plain::quiet()),
        ProgressKind::RawJson => Box::new(Raw::default()),
        ProgressKind::Tty => Box::new(Tty::start()),
        ProgressKind::Auto if is_terminal => Box::new(Tty::start()),
        ProgressKind::Auto | ProgressKind::Plain => Box::new(Plain::shown()),
    }
}
