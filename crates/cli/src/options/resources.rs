//! Limits.

use engine::request::{
    BlockIo, ContainerRequest, Cpu, DeviceRate, DeviceRule, DeviceWeight, Limit, Memory, Resources, Ulimit,
};

use crate::grammar::{Invalid, Read, blkio, cpu, device, number, size, ulimit};

/// Options about memory, processors, tasks and block devices.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Limits {
    /// Memory limit
    #[arg(short, long, value_name = "BYTES", value_parser = size::parse)]
    memory: Option<u64>,
    /// Memory soft limit
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    memory_reservation: Option<u64>,
    /// Swap limit equal to memory plus swap: '-1' to enable unlimited swap
    #[arg(long, value_name = "BYTES", value_parser = size::parse_limit)]
    memory_swap: Option<Limit>,
    /// Tune container memory swappiness (0 to 100)
    #[arg(long, value_name = "NUMBER", value_parser = number::parse::<i64>)]
    memory_swappiness: Option<i64>,
    /// Disable OOM Killer
    #[arg(long)]
    oom_kill_disable: bool,
    /// Tune host's OOM preferences (-1000 to 1000)
    #[arg(long, value_name = "NUMBER", value_parser = number::parse::<i64>)]
    oom_score_adj: Option<i64>,
    /// CPU shares (relative weight)
    #[arg(short, long, value_name = "NUMBER", value_parser = number::parse::<u64>)]
    cpu_shares: Option<u64>,
    /// Number of CPUs
    #[arg(long, value_name = "DECIMAL", value_parser = cpu::parse_nano)]
    cpus: Option<u64>,
    /// Limit CPU CFS (Completely Fair Scheduler) quota
    #[arg(long, value_name = "MICROSECONDS", value_parser = number::parse_limit)]
    cpu_quota: Option<Limit>,
    /// Limit CPU CFS (Completely Fair Scheduler) period
    #[arg(long, value_name = "MICROSECONDS", value_parser = number::parse::<u64>)]
    cpu_period: Option<u64>,
    /// Limit CPU real-time runtime in microseconds
    #[arg(long, value_name = "MICROSECONDS", value_parser = number::parse::<i64>)]
    cpu_rt_runtime: Option<i64>,
    /// Limit CPU real-time period in microseconds
    #[arg(long, value_name = "MICROSECONDS", value_parser = number::parse::<u64>)]
    cpu_rt_period: Option<u64>,
    /// CPUs in which to allow execution (0-3, 0,1)
    #[arg(long, value_name = "LIST", value_parser = cpu::parse_set)]
    cpuset_cpus: Option<String>,
    /// MEMs in which to allow execution (0-3, 0,1)
    #[arg(long, value_name = "LIST", value_parser = cpu::parse_set)]
    cpuset_mems: Option<String>,
    /// Tune container pids limit (set -1 for unlimited)
    #[arg(long, value_name = "NUMBER", value_parser = number::parse_pids)]
    pids_limit: Option<Limit>,
    /// Block IO (relative weight), between 10 and 1000, or 0 to disable
    #[arg(long, value_name = "NUMBER", value_parser = blkio::parse_weight)]
    blkio_weight: Option<u16>,
    /// Block IO weight (relative device weight)
    #[arg(long, value_name = "DEVICE:WEIGHT", value_parser = blkio::parse_device_weight)]
    blkio_weight_device: Vec<DeviceWeight>,
    /// Limit read rate (bytes per second) from a device
    #[arg(long, value_name = "DEVICE:RATE", value_parser = blkio::parse_bps)]
    device_read_bps: Vec<DeviceRate>,
    /// Limit write rate (bytes per second) to a device
    #[arg(long, value_name = "DEVICE:RATE", value_parser = blkio::parse_bps)]
    device_write_bps: Vec<DeviceRate>,
    /// Limit read rate (IO per second) from a device
    #[arg(long, value_name = "DEVICE:RATE", value_parser = blkio::parse_iops)]
    device_read_iops: Vec<DeviceRate>,
    /// Limit write rate (IO per second) to a device
    #[arg(long, value_name = "DEVICE:RATE", value_parser = blkio::parse_iops)]
    device_write_iops: Vec<DeviceRate>,
    /// Add a rule to the cgroup allowed devices list
    #[arg(long, value_name = "RULE", value_parser = device::parse_rule)]
    device_cgroup_rule: Vec<DeviceRule>,
    /// Ulimit options
    #[arg(long, value_name = "NAME=SOFT[:HARD]", value_parser = ulimit::parse)]
    ulimit: Vec<Ulimit>,
    /// Optional parent cgroup for the container
    #[arg(long, value_name = "PATH")]
    cgroup_parent: Option<String>,
}

impl Limits {
    pub(crate) fn fill(self, request: &mut ContainerRequest) -> Read<()> {
        let some = |value: Option<u64>| value.filter(|value| *value > 0);
        let memory = Memory {
            limit: some(self.memory),
            reservation: some(self.memory_reservation),
            swap: self.memory_swap.filter(|swap| *swap != Limit::Max(0)),
            swappiness: swappiness(self.memory_swappiness)?,
            oom_kill_disable: self.oom_kill_disable,
            oom_score_adj: oom_score_adj(self.oom_score_adj)?,
        };
        let cpu = Cpu {
            shares: some(self.cpu_shares),
            nano: some(self.cpus),
            quota: self.cpu_quota.filter(|quota| *quota != Limit::Max(0)),
            period: some(self.cpu_period),
            realtime_runtime: self.cpu_rt_runtime.filter(|runtime| *runtime != 0),
            realtime_period: some(self.cpu_rt_period),
            cpuset_cpus: self.cpuset_cpus,
            cpuset_mems: self.cpuset_mems,
        };
        let block_io = BlockIo {
            weight: self.blkio_weight.filter(|weight| *weight > 0),
            weight_devices: self.blkio_weight_device,
            read_bps: self.device_read_bps,
            write_bps: self.device_write_bps,
            read_iops: self.device_read_iops,
            write_iops: self.device_write_iops,
        };
        request.resources = Resources {
            memory,
            cpu,
            block_io,
            pids: self.pids_limit,
            device_rules: self.device_cgroup_rule,
            ulimits: last_of_each(self.ulimit),
        };
        request.cgroup_parent = self.cgroup_parent.filter(|parent| !parent.is_empty());
        Ok(())
    }
}

/// -1 asks for the machine's own setting.
fn swappiness(value: Option<i64>) -> Read<Option<u8>> {
    match value {
        None | Some(-1) => Ok(None),
        Some(value) => match u8::try_from(value) {
            Ok(value @ 0..=100) => Ok(Some(value)),
            _ => Err(Invalid::new(format!("invalid value: {value}, valid memory swappiness range is 0-100"))),
        },
    }
}

fn oom_score_adj(value: Option<i64>) -> Read<Option<i16>> {
    value
        .map(|value| match i16::try_from(value) {
            Ok(value @ -1000..=1000) => Ok(value),
            _ => {
                Err(Invalid::new(format!("Invalid value {value}, range for oom score adj is [-1000, 1000]")))
            }
        })
        .transpose()
}

/// Keeps the last limit of each name.
fn last_of_each(all: Vec<Ulimit>) -> Vec<Ulimit> {
    let mut kept: Vec<Ulimit> = Vec::new();
    for limit in all {
        match kept.iter_mut().find(|other| other.name == limit.name) {
            Some(other) => *other = limit,
            None => kept.push(limit),
        }
    }
    kept
}
