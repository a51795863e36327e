//! What the engine asks of a guardian: everything it needs, decided beforehand.

use std::collections::BTreeMap;
use std::path::PathBuf;

use network::{Endpoint, PortRule};
use oci::runtime::Resources;
use runtime::Plan;
use serde::{Deserialize, Serialize};

use crate::events::EventsJob;
use crate::health::HealthJob;
use crate::resolver::ResolverConfig;
use crate::status::Summary;

/// One container to start and to accompany.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    pub id: String,
    /// `RUN_ROOT/containers/ID`: status file and socket; also the staging directory.
    pub run_dir: PathBuf,
    pub summary: Summary,
    pub plan: Plan,
    /// Path of the container's cgroup, if the machine has any.
    pub cgroup: Option<String>,
    #[serde(with = "as_json")]
    pub resources: Resources,
    pub pids_limit: Option<i64>,
    pub terminal: bool,
    /// Rows and columns of the terminal at the start.
    pub terminal_size: Option<(u16, u16)>,
    /// Whether standard input is a pipe (else it is empty).
    pub open_stdin: bool,
    /// Whether the end of the first client's input ends the container's.
    pub stdin_once: bool,
    /// Streams the launching client gets from the first byte on.
    pub attach: Attachment,
    pub log: Option<LogConfig>,
    /// What it is connected to, unless it has no network or somebody else's.
    pub network: Option<NetworkJob>,
    /// How its health is checked, if it is.
    pub health: Option<HealthJob>,
    pub events: EventsJob,
    pub teardown: Teardown,
    /// The SELinux label of the pipes that its program gets.
    pub file_label: Option<String>,
    /// What could not be given as it was asked; told with the start's own.
    pub warnings: Vec<String>,
    /// Whether the launching client wants to know where the time goes.
    pub timing: bool,
    /// Whether the container runs already, and those who accompanied it were killed: nothing is made.
    pub again: bool,
}

/// A container's place in its networks, all claimed and written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkJob {
    pub run_root: PathBuf,
    /// First interface first.
    pub endpoints: Vec<Endpoint>,
    /// Published ports; the guardian inherits their sockets in this order.
    pub ports: Vec<PortRule>,
    /// How names are resolved for it, if the supervisor does that.
    pub resolver: ResolverConfig,
    /// Whether it answers from the start, or only once the container joins a network that has names.
    pub names: bool,
}

/// Which streams a client wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
}

impl Attachment {
    /// Whether any stream is wanted.
    pub fn any(self) -> bool {
        self.stdin || self.stdout || self.stderr
    }
}

/// Log files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogConfig {
    /// The newest file; older ones are `NAME.1`, `NAME.2`, …
    pub path: PathBuf,
    pub form: LogForm,
    /// Of one file; the largest number where there is no bound.
    pub bytes_max: u64,
    pub files_max: u32,
    /// Whether older files are compressed.
    pub compress: bool,
    /// What is said with each record in Docker's form.
    pub attributes: BTreeMap<String, String>,
    /// How much is kept for an attached client that does not read; more is dropped and counted. Absent: the container
    /// waits for it.
    pub client_bytes_max: Option<u64>,
}

/// How a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogForm {
    /// As the Kubernetes CRI has it.
    Cri,
    /// As Docker has it.
    Json,
}

/// What becomes of a container that has ended.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Teardown {
    /// Where a run's beginning and, durably, its end are recorded, for containers that stay.
    pub last_run: Option<PathBuf>,
    /// Lease files to give back.
    pub leases: Vec<PathBuf>,
    /// What to delete, in this order (`--rm`); the name comes last but one, the run directory last.
    pub removals: Vec<Removal>,
}

/// The file of a run directory that tells the name that a container has got since it was started, for those that are
/// deleted at their end.
pub const RENAMED: &str = "renamed";

/// The lock of a run directory that is held by whoever is about to start the container again: its end deletes nothing.
pub const KEPT: &str = "kept";

/// The file of a run directory with the limits that the container has got since it was started.
pub const LIMITS: &str = "limits";

/// The file of a container's directory that tells that somebody has asked for its end, since somebody has started it.
pub const STOPPED: &str = "stopped";

/// One thing to delete.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Removal {
    /// A directory with all below it.
    Tree(PathBuf),
    /// The claim of a name, and of the one that the file `renamed` tells, if it is there: each unless somebody else has it.
    Name { directory: PathBuf, name: String, container: String, renamed: PathBuf },
    /// A claim that the container has of something else.
    Claim { directory: PathBuf, name: String, container: String },
    /// An anonymous volume below an engine's root, unless another container than this one has it too.
    Volume { root: PathBuf, name: String, container: String },
}

/// The specification's types leave out absent fields, which only a self-describing form can carry:
/// in the compact job they travel as JSON text.
pub(crate) mod as_json {
    use serde::de::{DeserializeOwned, Error as _};
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<T: Serialize, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serde_json::to_string(value).map_err(S::Error::custom)?.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        serde_json::from_str(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
