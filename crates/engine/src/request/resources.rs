//! Limits of a container.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Everything that cgroups and rlimits bound.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Resources {
    pub memory: Memory,
    pub cpu: Cpu,
    pub block_io: BlockIo,
    /// Number of tasks; absent means the engine's default.
    pub pids: Option<Limit>,
    /// Rules added to the device filter, in order.
    pub device_rules: Vec<DeviceRule>,
    pub ulimits: Vec<Ulimit>,
}

/// A number or no limit at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    Unlimited,
    Max(u64),
}

impl Limit {
    /// Returns the number, or -1 as the OCI specification writes "unlimited".
    pub fn as_i64(self) -> i64 {
        match self {
            Self::Unlimited => -1,
            Self::Max(value) => i64::try_from(value).unwrap_or(i64::MAX),
        }
    }

    /// Returns the number, or `RLIM_INFINITY`.
    pub fn as_rlimit(self) -> u64 {
        match self {
            Self::Unlimited => u64::MAX,
            Self::Max(value) => value,
        }
    }
}

/// Memory, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    pub limit: Option<u64>,
    /// Soft limit.
    pub reservation: Option<u64>,
    /// Memory and swap together. Absent with a memory limit: twice the limit, as Docker does.
    pub swap: Option<Limit>,
    /// 0 to 100.
    pub swappiness: Option<u8>,
    pub oom_kill_disable: bool,
    /// -1000 to 1000.
    pub oom_score_adj: Option<i16>,
}

impl Memory {
    /// Memory and swap together, as they are limited where nothing was said of swap.
    pub(crate) fn swap_in_force(&self) -> Option<Limit> {
        self.swap.or_else(|| self.limit.map(|limit| Limit::Max(limit.saturating_mul(2))))
    }
}

/// Processors; periods and quotas in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpu {
    pub shares: Option<u64>,
    /// Billionths of a processor (`--cpus`); never together with `quota` or `period`.
    pub nano: Option<u64>,
    pub quota: Option<Limit>,
    pub period: Option<u64>,
    pub realtime_runtime: Option<i64>,
    pub realtime_period: Option<u64>,
    /// Like `0-3,7`.
    pub cpuset_cpus: Option<String>,
    pub cpuset_mems: Option<String>,
}

impl Cpu {
    /// Returns quota and period with `--cpus` resolved to them, as the OCI specification wants.
    pub fn quota_and_period(&self) -> (Option<i64>, Option<u64>) {
        const PERIOD: u64 = 100_000;
        match self.nano {
            Some(nano) => {
                let quota = u128::from(nano) * u128::from(PERIOD) / 1_000_000_000;
                (Some(i64::try_from(quota).unwrap_or(i64::MAX)), Some(PERIOD))
            }
            None => (self.quota.map(Limit::as_i64), self.period),
        }
    }
}

/// Block devices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockIo {
    /// 10 to 1000.
    pub weight: Option<u16>,
    pub weight_devices: Vec<DeviceWeight>,
    pub read_bps: Vec<DeviceRate>,
    pub write_bps: Vec<DeviceRate>,
    pub read_iops: Vec<DeviceRate>,
    pub write_iops: Vec<DeviceRate>,
}

/// Weight of one device, named by its node on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceWeight {
    pub path: PathBuf,
    pub weight: u16,
}

/// Bytes or operations a second of one device, named by its node on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRate {
    pub path: PathBuf,
    pub rate: u64,
}

/// A device of the host given to the container. Where `host` is a directory, all devices in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceMapping {
    pub host: PathBuf,
    pub container: PathBuf,
    pub access: DeviceAccess,
}

/// What may be done with a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceAccess {
    pub read: bool,
    pub write: bool,
    pub mknod: bool,
}

impl DeviceAccess {
    /// All three.
    pub const ALL: Self = Self { read: true, write: true, mknod: true };
}

impl std::fmt::Display for DeviceAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let letters = [(self.read, "r"), (self.write, "w"), (self.mknod, "m")];
        letters.iter().filter(|(set, _)| *set).try_for_each(|(_, letter)| f.write_str(letter))
    }
}

/// One more permission in the device filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRule {
    pub kind: DeviceKind,
    /// Absent means every number.
    pub major: Option<u32>,
    pub minor: Option<u32>,
    pub access: DeviceAccess,
}

/// The kind of device that a rule speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceKind {
    All,
    Char,
    Block,
}

impl DeviceKind {
    /// Returns the letter of the OCI specification.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "a",
            Self::Char => "c",
            Self::Block => "b",
        }
    }
}

/// A resource limit of setrlimit(2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// Lower case without prefix: `nofile`.
    pub name: String,
    pub soft: Limit,
    pub hard: Limit,
}

impl Ulimit {
    /// Returns the name as the OCI specification writes it: `RLIMIT_NOFILE`.
    pub fn spec_name(&self) -> String {
        format!("RLIMIT_{}", self.name.to_ascii_uppercase())
    }
}
