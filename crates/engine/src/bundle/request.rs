//! What the verbs of the OCI runtime are asked: plain data, with absolute paths where a verb needs them.

use std::path::PathBuf;
use std::time::Duration;

use crate::request::Signal;

/// A container to be made of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateRequest {
    pub id: String,
    /// The directory with `config.json`.
    pub bundle: PathBuf,
    /// Where to send the master of the container's terminal.
    pub console_socket: Option<PathBuf>,
    pub pid_file: Option<PathBuf>,
    pub inherited: InheritedFds,
    pub new_keyring: bool,
}

/// Descriptors above stdio that a process gets from the caller, under their numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InheritedFds {
    /// Those of socket activation, which come first (`LISTEN_FDS`, sd_listen_fds(3)).
    pub listen: u32,
    pub further: u32,
}

/// A container to be made and started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRequest {
    pub create: CreateRequest,
    pub detach: bool,
    /// Leave the container's state after its end.
    pub keep: bool,
}

/// A further process for a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecRequest {
    pub id: String,
    pub process: ExecProcess,
    pub tty: bool,
    pub console_socket: Option<PathBuf>,
    pub pid_file: Option<PathBuf>,
    pub detach: bool,
    pub inherited: InheritedFds,
    pub ignore_paused: bool,
    /// Sub-groups of the container's: `PATH`, or `CONTROLLER[,…]:PATH`.
    pub cgroups: Vec<String>,
}

/// What an exec runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecProcess {
    /// The `process` object of a specification, in a file.
    File(PathBuf),
    /// The container's own process with these changes.
    Command(ExecCommand),
}

/// Changes of a container's process for an exec.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecCommand {
    pub args: Vec<String>,
    pub cwd: Option<PathBuf>,
    pub env: Vec<String>,
    pub user: Option<(u32, Option<u32>)>,
    pub additional_gids: Vec<u32>,
    pub no_new_privileges: bool,
    pub process_label: Option<String>,
    pub apparmor: Option<String>,
    pub capabilities: Vec<String>,
}

/// A signal for a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KillRequest {
    pub id: String,
    pub signal: Signal,
    /// To every process, not to the first alone.
    pub all: bool,
}

/// Other limits for a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateRequest {
    pub id: String,
    /// The `resources` object of a specification, as JSON; what is absent stays as it is.
    pub document: Vec<u8>,
    /// What to call the document in an error.
    pub name: String,
}

/// Events of a container that are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsRequest {
    pub id: String,
    pub until: EventsUntil,
}

/// How long events are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventsUntil {
    /// The counters once.
    Now,
    /// The counters in this interval, and what happens in between, until the container's end.
    End { interval: Duration },
}
