//! Terminal and streams: what `run`, `start`, `exec` and `attach` share.

use serde::{Deserialize, Serialize};

/// Which of the three standard streams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streams {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
}

impl Streams {
    /// No stream at all.
    pub const NONE: Self = Self { stdin: false, stdout: false, stderr: false };
    /// What the container prints.
    pub const OUTPUT: Self = Self { stdin: false, stdout: true, stderr: true };

    /// Whether any stream is attached.
    pub fn any(self) -> bool {
        self.stdin || self.stdout || self.stderr
    }
}

/// Size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleSize {
    pub height: u16,
    pub width: u16,
}

/// The bytes that, typed in a row, leave the container running and give the terminal back.
/// No bytes: there is no way to detach by keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetachKeys(pub Vec<u8>);

impl Default for DetachKeys {
    /// Control-p, control-q.
    fn default() -> Self {
        Self(vec![0x10, 0x11])
    }
}
