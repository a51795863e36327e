//! The request of `create` and `run`: everything that a container is made from.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
pub use supervisor::restart::RestartPolicy;

use super::{
    ConsoleSize, DetachKeys, DeviceMapping, ExposedPorts, MountRequest, Namespaces, PublishRequest,
    Resources, Security, Signal, Streams, Timeout, VolumesFrom,
};

/// Asks for a new container. Nothing in it depends on the image: what is absent here comes from
/// the image's configuration, and from the engine's defaults after that.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ContainerRequest {
    /// Reference or id of the image, as typed.
    pub image: String,
    pub platform: Option<Platform>,
    pub pull: PullPolicy,
    pub isolation: Isolation,

    /// Name to give; the engine invents one otherwise.
    pub name: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// File that receives the full id; it must not exist yet.
    pub cidfile: Option<PathBuf>,

    pub entrypoint: Entrypoint,
    /// Arguments; empty means the image's own, unless the entry point was replaced.
    pub command: Vec<String>,
    /// Changes to the image's environment, in order; the last of one name wins.
    pub env: Vec<EnvVar>,
    pub workdir: Option<PathBuf>,
    /// `USER[:GROUP]` by name or number, looked up inside the container.
    pub user: Option<String>,
    /// Further groups by name or number.
    pub groups: Vec<String>,
    pub hostname: Option<String>,
    pub domainname: Option<String>,

    pub tty: bool,
    /// Keep standard input open even when nobody is attached.
    pub interactive: bool,
    /// Streams that `run` (or `start --attach`) connects to the caller.
    pub attach: Streams,
    pub console_size: Option<ConsoleSize>,

    pub auto_remove: bool,
    /// The build whose step it is: nothing of it need survive a power cut, or the build.
    #[serde(default)]
    pub step_of: Option<String>,
    pub init: bool,
    pub restart: RestartPolicy,
    pub stop_signal: Option<Signal>,
    pub stop_timeout: Option<Timeout>,
    pub log: LogDriver,
    /// Do not run the health check of the image.
    pub no_healthcheck: bool,
    /// What differs from the image's health check.
    #[serde(default)]
    pub health: HealthRequest,

    pub mounts: Vec<MountRequest>,
    /// What stands in `mounts` comes before what these bring.
    #[serde(default)]
    pub volumes_from: Vec<VolumesFrom>,
    pub read_only: bool,
    /// Size of `/dev/shm` in bytes.
    pub shm_bytes: Option<u64>,
    pub devices: Vec<DeviceMapping>,
    pub resources: Resources,
    /// Parent of the container's cgroup.
    pub cgroup_parent: Option<String>,
    pub namespaces: Namespaces,
    pub security: Security,
    pub sysctls: BTreeMap<String, String>,

    /// Lines for `/etc/hosts`; no address stands for `host-gateway`.
    pub hosts: Vec<(String, Option<IpAddr>)>,
    pub dns: Vec<IpAddr>,
    pub dns_options: Vec<String>,
    pub dns_search: Vec<String>,
    pub publish: Vec<PublishRequest>,
    /// Publish every exposed port at a free one of the host.
    pub publish_all: bool,
    pub expose: Vec<ExposedPorts>,
}

/// Asks to create a container, start it and, unless detached, stay with it to its end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunRequest {
    pub container: ContainerRequest,
    /// Print the id and return once it is started.
    pub detach: bool,
    /// The default is control-p, control-q.
    pub detach_keys: Option<DetachKeys>,
    /// Pass the signals that the caller receives on to the container.
    pub sig_proxy: bool,
    pub quiet: bool,
}

/// What becomes of the image's entry point.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entrypoint {
    /// The image's.
    #[default]
    Image,
    /// None: the command is the program. The image's command is dropped too.
    Cleared,
    /// This one. The image's command is dropped.
    Program(String),
}

/// One change to the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvVar {
    pub name: String,
    /// Absent: the image's variable of this name is removed.
    pub value: Option<String>,
}

/// An operating system and architecture: `linux/arm64/v8`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    pub os: String,
    pub architecture: Option<String>,
    pub variant: Option<String>,
}

/// When to ask the registry for the image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PullPolicy {
    Always,
    #[default]
    Missing,
    Never,
}

/// How strongly the container is kept apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Isolation {
    /// Linux namespaces.
    #[default]
    Namespaces,
}

/// How the container's health is checked; what is absent is the image's, or the engine's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthRequest {
    /// For the shell inside.
    pub command: Option<String>,
    pub interval: Option<Duration>,
    pub timeout: Option<Duration>,
    pub start_period: Option<Duration>,
    pub start_interval: Option<Duration>,
    pub retries: Option<u32>,
}

/// Where the output of the container goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogDriver {
    /// Bounded files of the engine's own; absent limits are the engine's defaults.
    Local(LogOptions),
    /// Files in Docker's form, without a bound unless one is given.
    JsonFile(LogOptions),
    /// Nowhere, unless somebody is attached.
    Off,
}

/// What a log driver was told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogOptions {
    /// Of one file.
    pub max_bytes: Option<u64>,
    pub max_files: Option<u32>,
    #[serde(default)]
    pub compress: Option<bool>,
    /// How much is kept for an attached client that does not read (`mode=non-blocking`); absent: the container waits.
    #[serde(default)]
    pub buffer_bytes: Option<u64>,
    /// Labels and variables of the container that each record bears.
    #[serde(default)]
    pub labels: Vec<String>,
    #[serde(default)]
    pub env: Vec<String>,
    /// As typed.
    #[serde(default)]
    pub typed: BTreeMap<String, String>,
}

impl LogDriver {
    /// Returns Docker's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Local(_) => "local",
            Self::JsonFile(_) => "json-file",
            Self::Off => "none",
        }
    }

    /// Returns what it was told.
    pub fn options(&self) -> Option<&LogOptions> {
        match self {
            Self::Local(options) | Self::JsonFile(options) => Some(options),
            Self::Off => None,
        }
    }
}

impl Default for LogDriver {
    fn default() -> Self {
        Self::Local(LogOptions::default())
    }
}

impl ContainerRequest {
    /// Returns how long `stop` waits when it does not say itself: ten seconds unless asked.
    pub fn stop_timeout_or_default(&self) -> Timeout {
        self.stop_timeout.unwrap_or(Timeout::After(Duration::from_secs(10)))
    }
}
