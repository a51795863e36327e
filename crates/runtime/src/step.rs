//! The steps that make a container: what the builder does from outside and what init does inside.
//!
//! A step holds everything it needs; applying one takes no decision.

use std::path::PathBuf;

use oci::rootfs::{Overlay, Rootfs};
use oci::runtime::IdMapping;
use serde::{Deserialize, Serialize};
use sys::credentials::CapabilitySets;

/// All that happens between clone and exec, decided beforehand by [`crate::plan()`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// `CLONE_NEW*` flags of the namespaces that init gets anew (the mount one apart).
    pub new_namespaces: u64,
    /// Namespaces of others to join, by flag and path, in the order of joining.
    pub join: Vec<(u64, PathBuf)>,
    /// The id maps of a new user namespace.
    pub uid_map: Vec<IdMapping>,
    pub gid_map: Vec<IdMapping>,
    /// Host ids of root inside: the builder works with these below the container's root.
    pub root_uid: u32,
    pub root_gid: u32,
    /// Host id of the program's user: the owner of its standard streams.
    pub user_uid: u32,
    /// Whether the container has a user namespace other than the caller's.
    pub own_user_namespace: bool,
    /// What the builder does in a mount namespace that the host's user namespace owns.
    pub build: Vec<BuildStep>,
    /// What init does while the builder works.
    pub prepare: Vec<InitStep>,
    /// What init does once the file system stands.
    pub init: Vec<InitStep>,
    pub program: Program,
    /// Who serves the filter's notifications; only for a filter that notifies.
    pub listener: Option<Listener>,
    /// The SELinux label of the file systems that are made for the container.
    pub mount_label: Option<String>,
    /// Clocks of a new time namespace, as lines of `timens_offsets`.
    pub time_offsets: String,
    /// Programs of the host's administrator around the steps; empty unless the specification names some.
    pub hooks: Hooks,
}

/// The program to execute at last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    pub args: Vec<String>,
    pub env: Vec<String>,
    pub terminal: bool,
}

/// The agent that answers the calls which a filter hands to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Its socket, on the host.
    pub path: PathBuf,
    pub metadata: String,
}

/// Hooks by the point in life at which they run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hooks {
    /// Beside the runtime, when the namespaces are made and before the root is changed.
    pub prestart: Vec<Hook>,
    pub create_runtime: Vec<Hook>,
    /// In the container's namespaces, with the host's file system still around.
    pub create_container: Vec<Hook>,
    /// In the container, right before its program.
    pub start_container: Vec<Hook>,
    pub poststart: Vec<Hook>,
    pub poststop: Vec<Hook>,
}

/// One checked hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    pub path: PathBuf,
    pub args: Vec<String>,
    pub env: Vec<String>,
    pub timeout_seconds: Option<u32>,
}

/// One step of the builder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum BuildStep {
    /// Mounts the root file system; always the first.
    Rootfs {
        rootfs: Rootfs,
    },
    Mount(MountStep),
    /// Makes a device node owned by ids inside the container.
    Device {
        path: PathBuf,
        kind: DeviceKind,
        major: u32,
        minor: u32,
        mode: u32,
        uid: u32,
        gid: u32,
    },
    Symlink {
        path: PathBuf,
        target: PathBuf,
    },
    /// Binds the container's terminal on /dev/console.
    Console,
    Sysctl {
        key: String,
        value: String,
    },
    /// Hides a file behind /dev/null or a directory behind an empty one.
    Mask {
        path: PathBuf,
    },
    /// Makes a path and what is mounted below it read-only.
    ReadOnly {
        path: PathBuf,
    },
    /// Makes the root file system itself read-only.
    RootReadOnly,
    /// Sets the propagation of the root (`MS_*`).
    RootPropagation {
        propagation: u64,
    },
    Rlimit {
        resource: u32,
        soft: u64,
        hard: u64,
    },
    OomScoreAdj {
        value: i32,
    },
    /// Limits the number of tasks; late, as the builder itself counts.
    PidsLimit,
}

/// Kinds of nodes that mknod(2) makes for a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceKind {
    Char,
    Block,
    Fifo,
}

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountStep {
    pub destination: PathBuf,
    pub source: Source,
    /// `MOUNT_ATTR_*` to set and to clear, for this mount alone and for all below it.
    pub set: u64,
    pub clear: u64,
    pub recursive_set: u64,
    pub recursive_clear: u64,
    /// `MS_PRIVATE` and so on; 0 keeps what the source has.
    pub propagation: u64,
    pub propagation_recursive: bool,
    pub idmap: Idmap,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    Proc {
        options: Vec<String>,
    },
    Sysfs {
        options: Vec<String>,
    },
    Mqueue {
        options: Vec<String>,
    },
    Devpts {
        options: Vec<String>,
    },
    /// The container's own cgroup, on the version the host has.
    Cgroup,
    /// A path of the host, or what lies below it where it is the root.
    Bind {
        path: PathBuf,
        recursive: bool,
        subpath: Option<PathBuf>,
    },
    /// What is mounted there already, with other options.
    Remount {
        options: Vec<String>,
    },
    /// Layers of an image, read-only, or a directory of them.
    Image {
        layers: Overlay,
        subpath: Option<PathBuf>,
    },
    /// Any other file system, with its options.
    New {
        kind: String,
        source: String,
        options: Vec<String>,
    },
}

/// How the ids of a mount are shifted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Idmap {
    No,
    /// By the container's user namespace; where the file system cannot, mount plain and warn.
    Container,
    /// The source's owner becomes root inside.
    Owner,
    /// By explicit maps; must succeed.
    Explicit {
        uid: Vec<IdMapping>,
        gid: Vec<IdMapping>,
        recursive: bool,
    },
}

/// One step of init.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum InitStep {
    NewSession,
    SessionKeyring,
    Hostname {
        name: String,
    },
    Domainname {
        name: String,
    },
    LoopbackUp,
    /// Copies the mounts into a namespace of our own user namespace: each becomes locked, so that no
    /// capability inside can take a mask away (mount_namespaces(7)).
    LockMounts,
    /// Becomes root of the user namespace.
    BecomeRoot,
    Personality {
        domain: u64,
    },
    IoPriority {
        class: u32,
        priority: u32,
    },
    Scheduler(SchedulerStep),
    /// Takes memory from these nodes, a mask (set_mempolicy(2)).
    MemoryPolicy {
        mode: u32,
        nodes: Vec<u64>,
    },
    /// Has the program run under an AppArmor profile.
    AppArmor {
        profile: String,
    },
    /// Has the program run with a SELinux label.
    SelinuxLabel {
        label: String,
    },
    /// Has keyrings made with this SELinux label from now on; with none if it is empty.
    KeyringLabel {
        label: String,
    },
    Bounding {
        keep: u64,
    },
    Seccomp {
        program: Vec<u8>,
        flags: u32,
    },
    Umask {
        mask: u32,
    },
    /// Becomes the user with these capabilities.
    Identity {
        uid: u32,
        gid: u32,
        groups: Vec<u32>,
        capabilities: CapabilityWords,
    },
    WorkingDirectory {
        path: PathBuf,
        create: bool,
    },
    NoNewPrivileges,
    /// Waits until told to start.
    Gate,
}

/// sched_setattr(2) arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchedulerStep {
    pub policy: u32,
    pub flags: u64,
    pub nice: i32,
    pub priority: u32,
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
}

/// Capability sets as they travel in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CapabilityWords {
    pub effective: u64,
    pub permitted: u64,
    pub inheritable: u64,
    pub ambient: u64,
}

impl From<CapabilityWords> for CapabilitySets {
    fn from(words: CapabilityWords) -> Self {
        Self {
            bounding: 0,
            effective: words.effective,
            permitted: words.permitted,
            inheritable: words.inheritable,
            ambient: words.ambient,
        }
    }
}
