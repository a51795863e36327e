//! The OCI runtime specification 1.2 for Linux (`config.json` and the state document).
//!
//! Field names and defaults follow <https://github.com/opencontainers/runtime-spec/tree/v1.2.1>.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The version of the specification that this crate describes.
pub const SPEC_VERSION: &str = "1.2.1";

macro_rules! spec {
    ($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $field:ident : $ty:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name { $($(#[$fmeta])* #[serde(skip_serializing_if = "crate::runtime::Absent::is_absent")] pub $field: $ty),* }
    };
}

/// Whether a field is left out of the JSON: an absent option or an empty collection or text.
pub(crate) trait Absent {
    fn is_absent(&self) -> bool {
        false
    }
}

impl Absent for bool {}
impl Absent for u16 {}
impl Absent for u32 {}
impl Absent for i32 {}
impl Absent for u64 {}
impl Absent for i64 {}
impl Absent for User {}
impl Absent for crate::rootfs::Overlay {}
impl Absent for PathBuf {
    fn is_absent(&self) -> bool {
        self.as_os_str().is_empty()
    }
}
impl Absent for String {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}
impl<T> Absent for Option<T> {
    fn is_absent(&self) -> bool {
        self.is_none()
    }
}
impl<T> Absent for Vec<T> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}
impl<K, V> Absent for BTreeMap<K, V> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

spec! {
    /// `config.json`.
    Spec {
        oci_version: String,
        hooks: Option<Hooks>,
        annotations: BTreeMap<String, String>,
        hostname: Option<String>,
        domainname: Option<String>,
        mounts: Vec<Mount>,
        process: Option<Process>,
        root: Option<Root>,
        linux: Option<Linux>,
    }
}

spec! {
    /// The root file system of a bundle.
    Root { path: PathBuf, readonly: bool }
}

spec! {
    /// One entry of `mounts`.
    Mount {
        destination: PathBuf,
        #[serde(rename = "type")]
        kind: Option<String>,
        source: Option<PathBuf>,
        options: Vec<String>,
        uid_mappings: Vec<IdMapping>,
        gid_mappings: Vec<IdMapping>,
        /// Not of the specification: the directory below a bind's source that is meant, resolved as if the source
        /// were the root.
        #[serde(skip)]
        subpath: Option<PathBuf>,
        /// Not of the specification: layers to show read-only, in place of a source.
        #[serde(skip)]
        layers: Option<crate::rootfs::Overlay>,
    }
}

spec! {
    /// The process to run.
    Process {
        terminal: bool,
        console_size: Option<ConsoleSize>,
        cwd: PathBuf,
        env: Vec<String>,
        args: Vec<String>,
        command_line: Option<String>,
        rlimits: Vec<Rlimit>,
        apparmor_profile: Option<String>,
        capabilities: Option<Capabilities>,
        no_new_privileges: bool,
        oom_score_adj: Option<i32>,
        scheduler: Option<Scheduler>,
        selinux_label: Option<String>,
        io_priority: Option<IoPriority>,
        #[serde(rename = "execCPUAffinity")]
        exec_cpu_affinity: Option<CpuAffinity>,
        user: User,
    }
}

spec! {
    /// Terminal size in characters.
    ConsoleSize { height: u32, width: u32 }
}

spec! {
    /// A resource limit: `RLIMIT_NOFILE` and so on.
    Rlimit {
        #[serde(rename = "type")]
        kind: String,
        soft: u64,
        hard: u64,
    }
}

spec! {
    /// The five capability sets, by name (`CAP_CHOWN`).
    Capabilities {
        bounding: Vec<String>,
        effective: Vec<String>,
        inheritable: Vec<String>,
        permitted: Vec<String>,
        ambient: Vec<String>,
    }
}

spec! {
    /// `sched_setattr(2)` parameters.
    Scheduler {
        policy: String,
        nice: i32,
        priority: i32,
        flags: Vec<String>,
        runtime: u64,
        deadline: u64,
        period: u64,
    }
}

spec! {
    /// `ioprio_set(2)` parameters.
    IoPriority { class: String, priority: i32 }
}

spec! {
    /// CPU affinity of an exec'd process.
    CpuAffinity { initial: Option<String>, r#final: Option<String> }
}

spec! {
    /// User of the process.
    User {
        uid: u32,
        gid: u32,
        umask: Option<u32>,
        additional_gids: Vec<u32>,
        username: Option<String>,
    }
}

spec! {
    /// Lifecycle hooks.
    Hooks {
        prestart: Vec<Hook>,
        create_runtime: Vec<Hook>,
        create_container: Vec<Hook>,
        start_container: Vec<Hook>,
        poststart: Vec<Hook>,
        poststop: Vec<Hook>,
    }
}

spec! {
    /// One hook.
    Hook {
        path: PathBuf,
        args: Vec<String>,
        env: Vec<String>,
        timeout: Option<i64>,
    }
}

spec! {
    /// The Linux part.
    Linux {
        devices: Vec<Device>,
        uid_mappings: Vec<IdMapping>,
        gid_mappings: Vec<IdMapping>,
        sysctl: BTreeMap<String, String>,
        cgroups_path: Option<String>,
        resources: Option<Resources>,
        rootfs_propagation: Option<String>,
        seccomp: Option<Seccomp>,
        namespaces: Vec<Namespace>,
        masked_paths: Vec<String>,
        readonly_paths: Vec<String>,
        mount_label: Option<String>,
        intel_rdt: Option<serde_json::Value>,
        memory_policy: Option<MemoryPolicy>,
        personality: Option<Personality>,
        time_offsets: BTreeMap<String, TimeOffset>,
        net_devices: BTreeMap<String, serde_json::Value>,
    }
}

spec! {
    /// One line of a uid or gid map.
    #[derive(Eq, Copy)]
    IdMapping {
        #[serde(rename = "containerID")]
        container_id: u32,
        #[serde(rename = "hostID")]
        host_id: u32,
        size: u32,
    }
}

/// The kinds of Linux namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NamespaceKind {
    Pid,
    Network,
    Mount,
    Ipc,
    Uts,
    User,
    Cgroup,
    Time,
}

/// A namespace to create (no path) or to join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    #[serde(rename = "type")]
    pub kind: NamespaceKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

spec! {
    /// A device node to make.
    Device {
        path: PathBuf,
        #[serde(rename = "type")]
        kind: String,
        major: i64,
        minor: i64,
        file_mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
    }
}

spec! {
    /// Offset of a clock in a time namespace.
    TimeOffset { secs: i64, nanosecs: u32 }
}

spec! {
    /// `set_mempolicy(2)` parameters.
    #[derive(Eq)]
    MemoryPolicy { mode: String, nodes: String, flags: Vec<String> }
}

spec! {
    /// `personality(2)`.
    Personality { domain: String, flags: Vec<String> }
}

spec! {
    /// Limits of the container's cgroup.
    Resources {
        devices: Vec<DeviceRule>,
        memory: Option<Memory>,
        cpu: Option<Cpu>,
        pids: Option<Pids>,
        #[serde(rename = "blockIO")]
        block_io: Option<BlockIo>,
        hugepage_limits: Vec<HugepageLimit>,
        network: Option<NetworkResources>,
        rdma: BTreeMap<String, Rdma>,
        unified: BTreeMap<String, String>,
    }
}

spec! {
    /// One rule of the device filter, applied in order.
    DeviceRule {
        allow: bool,
        /// `a`, `b` or `c`; absent means all.
        #[serde(rename = "type")]
        kind: Option<String>,
        /// Absent means every number.
        major: Option<i64>,
        minor: Option<i64>,
        /// Some of `rwm`; absent means all three.
        access: Option<String>,
    }
}

spec! {
    /// Memory limits in bytes; -1 is unlimited.
    Memory {
        limit: Option<i64>,
        reservation: Option<i64>,
        /// Memory plus swap.
        swap: Option<i64>,
        kernel: Option<i64>,
        #[serde(rename = "kernelTCP")]
        kernel_tcp: Option<i64>,
        swappiness: Option<u64>,
        #[serde(rename = "disableOOMKiller")]
        disable_oom_killer: Option<bool>,
        use_hierarchy: Option<bool>,
        check_before_update: Option<bool>,
    }
}

spec! {
    /// CPU limits; quota and period in microseconds.
    Cpu {
        shares: Option<u64>,
        quota: Option<i64>,
        burst: Option<u64>,
        period: Option<u64>,
        realtime_runtime: Option<i64>,
        realtime_period: Option<u64>,
        cpus: Option<String>,
        mems: Option<String>,
        idle: Option<i64>,
    }
}

spec! {
    /// Number of tasks; -1 or 0 is unlimited.
    Pids { limit: i64 }
}

spec! {
    /// Block IO weights and limits.
    BlockIo {
        weight: Option<u16>,
        leaf_weight: Option<u16>,
        weight_device: Vec<WeightDevice>,
        throttle_read_bps_device: Vec<ThrottleDevice>,
        throttle_write_bps_device: Vec<ThrottleDevice>,
        #[serde(rename = "throttleReadIOPSDevice")]
        throttle_read_iops_device: Vec<ThrottleDevice>,
        #[serde(rename = "throttleWriteIOPSDevice")]
        throttle_write_iops_device: Vec<ThrottleDevice>,
    }
}

spec! {
    /// Weight of one device.
    WeightDevice { major: i64, minor: i64, weight: Option<u16>, leaf_weight: Option<u16> }
}

spec! {
    /// Rate limit of one device.
    ThrottleDevice { major: i64, minor: i64, rate: u64 }
}

spec! {
    /// Huge page limit in bytes for one page size (`2MB`).
    HugepageLimit { page_size: String, limit: u64 }
}

spec! {
    /// `net_cls` and `net_prio`.
    NetworkResources {
        #[serde(rename = "classID")]
        class_id: Option<u32>,
        priorities: Vec<InterfacePriority>,
    }
}

spec! {
    /// Priority of one interface.
    InterfacePriority { name: String, priority: u32 }
}

spec! {
    /// RDMA limits of one device.
    Rdma { hca_handles: Option<u32>, hca_objects: Option<u32> }
}

spec! {
    /// A seccomp filter.
    Seccomp {
        /// `SCMP_ACT_ERRNO` and so on.
        default_action: String,
        default_errno_ret: Option<u32>,
        /// `SCMP_ARCH_X86_64` and so on; empty means the native one.
        architectures: Vec<String>,
        flags: Vec<String>,
        listener_path: Option<PathBuf>,
        listener_metadata: Option<String>,
        syscalls: Vec<SyscallRule>,
    }
}

spec! {
    /// One rule for some system calls.
    SyscallRule {
        names: Vec<String>,
        action: String,
        errno_ret: Option<u32>,
        /// All of them must hold.
        args: Vec<SyscallArg>,
    }
}

spec! {
    /// A condition on one argument.
    SyscallArg {
        index: u32,
        value: u64,
        value_two: u64,
        /// `SCMP_CMP_EQ` and so on.
        op: String,
    }
}

/// The state document that `state` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    pub oci_version: String,
    pub id: String,
    pub status: Status,
    #[serde(default)]
    pub pid: i32,
    pub bundle: PathBuf,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Runtime status of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Creating,
    Created,
    Running,
    Paused,
    Stopped,
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        })
    }
}
