//! Requests about containers that exist.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::filter::LabelFilter;
use super::{ConsoleSize, DetachKeys, EnvVar, ExposedPorts, Resources, RestartPolicy, Signal, Streams};

/// `start`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StartRequest {
    /// Names or ids; exactly one where something is attached.
    pub containers: Vec<String>,
    /// Show what it prints, pass signals on, and end with its exit code.
    pub attach: bool,
    /// Connect standard input.
    pub interactive: bool,
    pub detach_keys: Option<DetachKeys>,
    pub sig_proxy: bool,
}

/// How long to wait for a process to end before it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Timeout {
    /// Never kill.
    Never,
    After(Duration),
}

/// `stop`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopRequest {
    pub containers: Vec<String>,
    /// The container's own stop signal otherwise.
    pub signal: Option<Signal>,
    /// The container's own time otherwise.
    pub timeout: Option<Timeout>,
}

/// `restart`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartRequest {
    pub containers: Vec<String>,
    /// As for `stop`.
    pub signal: Option<Signal>,
    pub timeout: Option<Timeout>,
}

/// `attach`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachRequest {
    pub container: String,
    /// Connect standard input, where the container has one.
    pub stdin: bool,
    pub sig_proxy: bool,
    pub detach_keys: Option<DetachKeys>,
}

/// `kill`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KillRequest {
    pub containers: Vec<String>,
    pub signal: Signal,
}

/// `pause` and `unpause`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PauseRequest {
    pub containers: Vec<String>,
}

/// `rename`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenameRequest {
    pub container: String,
    pub name: String,
}

/// `rm`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveRequest {
    pub containers: Vec<String>,
    /// Kill it first where it runs; do not complain where it is missing.
    pub force: bool,
    /// Remove its anonymous volumes too.
    pub volumes: bool,
}

/// `top`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopRequest {
    pub container: String,
    /// For the host's `ps`; without any it is not needed.
    pub options: Vec<String>,
    /// Where to find it: directories divided by colons.
    pub search_path: Option<String>,
}

/// `stats`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatsRequest {
    /// All that run where none is named.
    pub containers: Vec<String>,
    /// Those that do not run too.
    pub all: bool,
}

/// `update`
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateRequest {
    pub containers: Vec<String>,
    /// What is set here takes the place of what was; the rest stays. Only memory, processors, weight and tasks.
    pub changes: Resources,
    /// Takes the place of the restart policy, if it is set.
    pub restart: Option<RestartPolicy>,
}

/// `wait`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitRequest {
    pub containers: Vec<String>,
}

/// `exec`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecRequest {
    pub container: String,
    /// Program and arguments, at least the program.
    pub command: Vec<String>,
    pub env: Vec<EnvVar>,
    pub workdir: Option<PathBuf>,
    pub user: Option<String>,
    pub tty: bool,
    pub attach: Streams,
    pub detach: bool,
    pub detach_keys: Option<DetachKeys>,
    pub privileged: bool,
    pub console_size: Option<ConsoleSize>,
}

/// `logs`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogsRequest {
    pub container: String,
    pub follow: bool,
    pub tail: Tail,
    /// Nanoseconds since 1970.
    pub since: Option<i128>,
    pub until: Option<i128>,
    pub timestamps: bool,
    /// Show the labels and variables that the log driver was told to keep.
    pub details: bool,
}

/// How much of a log is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tail {
    #[default]
    All,
    Lines(usize),
}

/// `inspect`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectRequest {
    pub objects: Vec<String>,
    pub kind: InspectKind,
    /// Measure the writable layer and the whole root file system.
    pub size: bool,
}

/// Which objects a name may mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum InspectKind {
    /// A container, an image, a network or a volume: the first that is found.
    #[default]
    Any,
    Container,
    Image,
    Network,
    Volume,
}

/// `ps`
///
/// Filters of different kinds must all hold, of one kind any; labels must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PsRequest {
    /// Stopped ones too.
    pub all: bool,
    /// The newest so many, of any state.
    pub last: Option<usize>,
    /// Measure their writable layers.
    pub size: bool,
    /// Look up what their images are for.
    pub platform: bool,
    /// Beginnings of ids.
    pub ids: Vec<String>,
    /// Parts or patterns of names.
    pub names: Vec<String>,
    pub labels: Vec<LabelFilter>,
    pub states: Vec<StateFilter>,
    pub exited: Vec<ExitedFilter>,
    /// Names of volumes or places of mounts.
    pub volumes: Vec<String>,
    /// Image references or ids that a container was made from, directly or through layers.
    pub ancestors: Vec<String>,
    /// Made before, after this container.
    pub before: Option<String>,
    pub since: Option<String>,
    /// Names or ids of networks.
    pub networks: Vec<String>,
    /// Ports of the container, one of which is published or exposed.
    pub publish: Vec<ExposedPorts>,
    pub expose: Vec<ExposedPorts>,
    pub healths: Vec<HealthFilter>,
    /// Whether it is a task of a swarm.
    pub tasks: Vec<bool>,
}

/// What health checks say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthFilter {
    /// There are no checks.
    None,
    Starting,
    Healthy,
    Unhealthy,
}

/// An exit code to look for.
pub type ExitedFilter = i32;

/// The states that `ps` can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateFilter {
    Created,
    Restarting,
    Running,
    Removing,
    Paused,
    Exited,
    Dead,
}
