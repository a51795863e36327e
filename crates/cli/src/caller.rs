//! What the command line may ask of the process that runs it, so that parsing stays a function.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use engine::request::ConsoleSize;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The surroundings of a command: each is asked for only where a flag needs it.
pub trait Caller {
    /// Returns an environment variable.
    fn var(&self, name: &str) -> Option<String>;
    /// Reads a file that a flag names.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Whether something is at the path, dangling links too.
    fn exists(&self, path: &Path) -> bool;
    /// Returns the working directory.
    fn cwd(&self) -> io::Result<PathBuf>;
    /// Returns the size of the terminal, if there is one.
    fn console(&self) -> Option<ConsoleSize>;
    /// Whether standard input is a terminal.
    fn stdin_is_terminal(&self) -> bool;
    fn now(&self) -> Timestamp;
    fn zone(&self) -> TimeZone;
}

/// The real surroundings.
#[derive(Debug, Clone, Copy)]
pub struct Process;

impl Caller for Process {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        // The caller's own file, named on the command line; the flag adds the path to an error.
        #[expect(clippy::disallowed_methods, reason = "the flag's error names the path already")]
        std::fs::read(path)
    }

    fn exists(&self, path: &Path) -> bool {
        path.symlink_metadata().is_ok()
    }

    fn cwd(&self) -> io::Result<PathBuf> {
        std::env::current_dir()
    }

    fn console(&self) -> Option<ConsoleSize> {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        (size.ws_row > 0 && size.ws_col > 0)
            .then_some(ConsoleSize { height: size.ws_row, width: size.ws_col })
    }

    fn stdin_is_terminal(&self) -> bool {
        io::stdin().is_terminal()
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn zone(&self) -> TimeZone {
        TimeZone::system()
    }
}
