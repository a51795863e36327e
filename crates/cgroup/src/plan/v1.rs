//! Limits as v1 files.

use oci::runtime::{BlockIo, Cpu, HugepageLimit, Memory, NetworkResources, Pids, ThrottleDevice};

use super::{Otherwise, Plan, checked_page_size, checked_shares, checked_word, set};
use crate::error::{Error, Result};

const USE_V1_WITH_OLD_KERNEL: &str = "leave the option out: the kernel has dropped it";

/// Plans the `memory` controller.
///
/// `memory.limit_in_bytes` must not exceed `memory.memsw.limit_in_bytes` at any time: which comes first depends on what is set
/// now, so the writer retries a refused one after the other.
pub(crate) fn memory(memory: &Memory) -> Result<Plan> {
    let mut plan = Plan::default();
    // Without a limit on memory one on memory plus swap cannot stay.
    let swap = set(memory.swap).or_else(|| (memory.limit == Some(-1)).then_some(-1));
    if let Some(limit) = set(memory.limit) {
        plan.write("memory limit", "memory.limit_in_bytes", checked_bytes("memory limit", limit)?);
    }
    if let Some(swap) = swap {
        if let Some(limit) = set(memory.limit)
            && swap != -1
            && swap < limit
        {
            return Err(Error::invalid(
                "memory plus swap limit",
                swap,
                format!("it is below the memory limit {limit}"),
            ));
        }
        let file = "memory.memsw.limit_in_bytes";
        plan.write("memory plus swap limit", file, checked_bytes("memory plus swap limit", swap)?);
    }
    if let Some(reservation) = set(memory.reservation) {
        let value = checked_bytes("memory reservation", reservation)?;
        plan.write("memory reservation", "memory.soft_limit_in_bytes", value);
    }
    if let Some(limit) = set(memory.kernel_tcp) {
        let value = checked_bytes("kernel TCP memory limit", limit)?;
        plan.write("kernel TCP memory limit", "memory.kmem.tcp.limit_in_bytes", value);
    }
    if let Some(swappiness) = memory.swappiness {
        if swappiness > 100 {
            return Err(Error::invalid("memory swappiness", swappiness, "it goes from 0 to 100"));
        }
        plan.write("memory swappiness", "memory.swappiness", swappiness);
    }
    if memory.disable_oom_killer == Some(true) {
        plan.write("OOM killer setting", "memory.oom_control", 1);
    }
    if set(memory.kernel).is_some_and(|limit| limit > 0) {
        plan.unknown("kernel memory limit", "v1 of Linux 5.16 and later", USE_V1_WITH_OLD_KERNEL);
    }
    Ok(plan)
}

fn checked_bytes(limit: &'static str, bytes: i64) -> Result<i64> {
    if bytes < -1 { Err(Error::invalid(limit, bytes, "it is negative")) } else { Ok(bytes) }
}

/// Plans the `cpu` controller.
pub(crate) fn cpu(cpu: &Cpu) -> Result<Plan> {
    let mut plan = Plan::default();
    // Idle first when it is taken away, as an idle group takes no shares; the writer retries in the other case.
    if let Some(idle) = cpu.idle {
        plan.write("CPU idle", "cpu.idle", idle);
    }
    if let Some(shares) = checked_shares(cpu.shares)? {
        plan.write("CPU shares", "cpu.shares", shares);
    }
    if let Some(period) = set(cpu.period) {
        plan.write("CPU period", "cpu.cfs_period_us", period);
    }
    if let Some(quota) = set(cpu.quota) {
        plan.write("CPU quota", "cpu.cfs_quota_us", quota.max(-1));
    }
    if let Some(burst) = cpu.burst {
        plan.write("CPU burst", "cpu.cfs_burst_us", burst);
    }
    if let Some(period) = set(cpu.realtime_period) {
        plan.write("CPU real-time period", "cpu.rt_period_us", period);
    }
    if let Some(runtime) = set(cpu.realtime_runtime) {
        plan.write("CPU real-time runtime", "cpu.rt_runtime_us", runtime);
    }
    Ok(plan)
}

/// Plans the `cpuset` controller.
pub(crate) fn cpuset(cpu: &Cpu) -> Plan {
    let mut plan = Plan::default();
    for (limit, file, value) in
        [("CPU set", "cpuset.cpus", &cpu.cpus), ("memory node set", "cpuset.mems", &cpu.mems)]
    {
        if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
            plan.write(limit, file, value);
        }
    }
    plan
}

/// Plans the `pids` controller; the files of v1 and v2 are the same.
pub(crate) fn pids(pids: &Pids) -> Plan {
    let mut plan = Plan::default();
    let value = if pids.limit > 0 { pids.limit.to_string() } else { "max".to_owned() };
    plan.write("process limit", "pids.max", value);
    plan
}

/// Plans the `blkio` controller; weights go to BFQ, or to CFQ before Linux 5.0.
pub(crate) fn io(io: &BlockIo) -> Plan {
    let mut plan = Plan::default();
    let named =
        |file: &'static str, value: &str| Otherwise::Write { file: file.into(), value: value.to_owned() };
    if let Some(weight) = set(io.weight) {
        let value = weight.to_string();
        plan.push("IO weight", "blkio.bfq.weight", &value, named("blkio.weight", &value));
    }
    if let Some(weight) = set(io.leaf_weight) {
        plan.write("IO leaf weight", "blkio.leaf_weight", weight);
    }
    for device in &io.weight_device {
        if let Some(weight) = set(device.weight) {
            let value = format!("{}:{} {weight}", device.major, device.minor);
            plan.push(
                "IO device weight",
                "blkio.bfq.weight_device",
                &value,
                named("blkio.weight_device", &value),
            );
        }
        if let Some(weight) = set(device.leaf_weight) {
            let value = format!("{}:{} {weight}", device.major, device.minor);
            plan.write("IO device leaf weight", "blkio.leaf_weight_device", value);
        }
    }
    let limits: [(_, _, &[ThrottleDevice]); 4] = [
        ("IO read rate", "blkio.throttle.read_bps_device", &io.throttle_read_bps_device),
        ("IO write rate", "blkio.throttle.write_bps_device", &io.throttle_write_bps_device),
        ("IO read operations", "blkio.throttle.read_iops_device", &io.throttle_read_iops_device),
        ("IO write operations", "blkio.throttle.write_iops_device", &io.throttle_write_iops_device),
    ];
    for (limit, file, devices) in limits {
        for device in devices {
            plan.write(limit, file, format!("{}:{} {}", device.major, device.minor, device.rate));
        }
    }
    plan
}

/// Plans the `hugetlb` controller.
pub(crate) fn hugetlb(limits: &[HugepageLimit]) -> Result<Plan> {
    let mut plan = Plan::default();
    for limit in limits {
        let size = checked_page_size(&limit.page_size)?;
        plan.write("huge page limit", format!("hugetlb.{size}.limit_in_bytes"), limit.limit);
        let reserved = format!("hugetlb.{size}.rsvd.limit_in_bytes");
        plan.push("huge page limit", reserved, limit.limit, Otherwise::Skip);
    }
    Ok(plan)
}

/// Plans `net_cls`.
pub(crate) fn net_cls(network: &NetworkResources) -> Plan {
    let mut plan = Plan::default();
    if let Some(class) = set(network.class_id) {
        plan.write("network class", "net_cls.classid", class);
    }
    plan
}

/// Plans `net_prio`.
pub(crate) fn net_prio(network: &NetworkResources) -> Result<Plan> {
    let mut plan = Plan::default();
    for entry in &network.priorities {
        let name = checked_word("network priority", &entry.name)?;
        plan.write("network priority", "net_prio.ifpriomap", format!("{name} {}", entry.priority));
    }
    Ok(plan)
}
