//! What the engine shows: rows of lists and summaries, not yet text.

use std::collections::BTreeMap;

use super::Digest;

/// One line of `ps`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerRow {
    /// All 64 digits.
    pub id: String,
    pub names: Vec<String>,
    /// The reference it was made from, as typed; the image's id where that name has moved on.
    pub image: String,
    /// Id and manifest of the image; the digest is absent where the image has been removed.
    pub image_id: String,
    pub digest: Option<String>,
    /// The name it was made by leads to another image now, or nowhere.
    pub tag_moved: bool,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Seconds since 1970.
    pub created: i64,
    pub state: ContainerState,
    pub labels: BTreeMap<String, String>,
    /// How many volumes it has.
    pub local_volumes: usize,
    /// Sources or names of what is mounted.
    pub mounts: Vec<String>,
    pub networks: Vec<String>,
    /// As shown, like `0.0.0.0:80->80/tcp`.
    pub ports: String,
    pub size: Option<ContainerSize>,
    /// What its image is for, as in `linux/amd64`; absent where nobody asked, or the image has gone.
    pub platform: Option<String>,
    /// What its health checks say, where there are any and it runs: `starting`, `healthy`, `unhealthy`.
    pub health: Option<&'static str>,
    /// What keeps its networks from working, where that is known.
    pub degraded: Option<String>,
}

impl ContainerRow {
    /// Whether it runs on a network that the host's rules can keep from working.
    pub fn is_on_a_bridge(&self) -> bool {
        let own = |network: &String| {
            !matches!(network.as_str(), "host" | "none") && !network.starts_with("container:")
        };
        matches!(self.state, ContainerState::Running { .. } | ContainerState::Paused { .. })
            && self.networks.iter().any(own)
    }
}

/// What `top` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessTable {
    /// In the columns of `ps -ef`.
    Own(Vec<crate::ProcessRow>),
    /// As the host's `ps` printed it.
    Listed { titles: Vec<String>, rows: Vec<Vec<String>> },
}

/// One line of `stats`.
#[derive(Debug, Clone, PartialEq)]
pub struct StatsRow {
    /// All 64 digits.
    pub id: String,
    /// As it was asked for.
    pub word: String,
    pub name: String,
    /// Absent where a container runs and nobody counts.
    pub usage: Option<Usage>,
}

/// What a container uses; nothing where it does not run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Of one processor.
    pub cpu_percent: f64,
    /// In bytes, without what the kernel can drop at once.
    pub memory: u64,
    pub memory_limit: u64,
    pub network: Traffic,
    /// Read and written.
    pub block: Traffic,
    pub pids: u64,
    /// Absent where the kernel does not account it.
    pub pressure: Option<Pressure>,
}

/// Percent of the last ten seconds in which some of the processes waited, for each.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pressure {
    pub cpu: f64,
    pub memory: f64,
    pub block: f64,
}

/// Bytes in two directions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    pub received: u64,
    pub sent: u64,
}

/// One volume of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeRow {
    pub name: String,
    pub driver: String,
    pub labels: BTreeMap<String, String>,
    /// Where its data lies on the host.
    pub mountpoint: String,
}

/// One network of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRow {
    /// All 64 digits.
    pub id: String,
    pub name: String,
    /// `bridge`, `macvlan`, `host` or `null`.
    pub driver: String,
    pub ipv6: bool,
    pub internal: bool,
    pub labels: BTreeMap<String, String>,
    /// Nanoseconds since 1970.
    pub created: i64,
}

/// What `container prune` has removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrunedContainers {
    pub ids: Vec<String>,
    /// Size of their writable layers.
    pub bytes: u64,
}

/// One line of `port`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedPort {
    pub protocol: network::Protocol,
    /// Port of the container.
    pub container: u16,
    pub host: std::net::SocketAddr,
}

/// What `volume prune` has removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrunedVolumes {
    pub names: Vec<String>,
    pub bytes: u64,
}

/// Disk use of a container in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerSize {
    /// Its writable layer.
    pub writable: u64,
    /// With its image.
    pub total: u64,
}

/// Where a container is in its life; times in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerState {
    Created,
    Running { since: i64 },
    Paused { since: i64 },
    Restarting { code: i32, since: i64 },
    Removing,
    Exited { code: i32, at: i64 },
    Dead,
}

impl ContainerState {
    /// Returns the one word of the state.
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running { .. } => "running",
            Self::Paused { .. } => "paused",
            Self::Restarting { .. } => "restarting",
            Self::Removing => "removing",
            Self::Exited { .. } => "exited",
            Self::Dead => "dead",
        }
    }
}

/// One line of `images`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRow {
    /// With its algorithm: `sha256:…`.
    pub id: Digest,
    pub repository: Option<String>,
    pub tag: Option<String>,
    pub digest: Option<Digest>,
    /// Seconds since 1970; absent where the image does not say.
    pub created: Option<i64>,
    pub size: u64,
}

/// One line of `history`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// Known of the topmost line only, as a rule.
    pub id: Option<Digest>,
    pub created: Option<i64>,
    pub created_by: String,
    pub size: u64,
    pub comment: String,
    pub tags: Vec<String>,
}

/// What `version` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionView {
    pub version: String,
    pub os: String,
    pub architecture: String,
    pub kernel: String,
    pub commit: Option<String>,
    /// Version of the OCI runtime specification.
    pub runtime_spec: String,
}

/// What `info` shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InfoView {
    pub containers_running: usize,
    pub containers_paused: usize,
    pub containers_stopped: usize,
    pub images: usize,
    pub version: String,
    /// `overlay`
    pub storage_driver: String,
    /// File system that holds the layers.
    pub backing_filesystem: String,
    /// `1`, `2` or `hybrid`.
    pub cgroup_version: String,
    pub limits: LimitsView,
    /// `seccomp`, `apparmor`, `userns`.
    pub security_options: Vec<String>,
    pub kernel: String,
    pub operating_system: String,
    /// Like `12`; empty where the system does not say.
    pub os_version: String,
    pub architecture: String,
    pub cpus: usize,
    pub memory_bytes: u64,
    /// Host name of the machine.
    pub name: String,
    /// The same for this engine on this machine, and no other.
    pub id: String,
    /// Whether the host forwards what comes for others.
    pub ipv4_forwarding: bool,
    pub root: String,
    pub run_root: String,
    pub warnings: Vec<String>,
}

/// What the kernel can limit here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitsView {
    pub memory: bool,
    pub swap: bool,
    pub cpu: bool,
    pub cpuset: bool,
    pub pids: bool,
    /// Whether the OOM killer can be switched off for a container.
    pub oom_kill_disable: bool,
}

/// One line of `doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoctorRow {
    /// What was looked at: `overlay in a user namespace`.
    pub check: String,
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do, where something is to be done.
    pub remedy: Option<String>,
}

/// The answer of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Fine,
    /// Works, with something less.
    Lacking,
    /// Containers cannot run.
    Broken,
}

/// Something that belongs to nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// `process`, `mount`, `cgroup`, `file`, `lock`, `id range`.
    pub kind: String,
    /// Which one.
    pub object: String,
    /// Why it counts as orphaned.
    pub reason: String,
    pub repaired: bool,
}
