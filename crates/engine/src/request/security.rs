//! What confines a container beside its namespaces.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Capabilities, filters and labels.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Security {
    pub privileged: bool,
    pub cap_add: Vec<Capability>,
    pub cap_drop: Vec<Capability>,
    pub no_new_privileges: bool,
    pub seccomp: Seccomp,
    /// Name of a loaded AppArmor profile, or `unconfined`.
    pub apparmor: Option<String>,
    /// SELinux label options: `disable`, `type:svirt_apache_t`.
    pub labels: Vec<String>,
    /// Paths hidden beside the default ones.
    pub mask: Vec<PathBuf>,
    pub unmask: Unmask,
    /// The cgroup file system is mounted writable.
    pub writable_cgroups: bool,
}

/// A capability, or all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Capability {
    All,
    /// Upper case with prefix: `CAP_NET_ADMIN`. Known by name to the kernel headers, perhaps not to this kernel.
    Named(String),
}

/// The system call filter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seccomp {
    /// The engine's allow-list; none where the container is privileged.
    #[default]
    Default,
    /// The engine's allow-list, even where the container is privileged.
    Builtin,
    Unconfined,
    /// A profile in Docker's JSON; the path is kept to be shown.
    Profile {
        path: PathBuf,
        json: String,
    },
}

/// Which of the masked and read-only system paths are left open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unmask {
    #[default]
    None,
    /// Every one of them (`systempaths=unconfined`).
    All,
    /// These, which may end in wild cards: `/proc/*`.
    Paths(Vec<String>),
}
