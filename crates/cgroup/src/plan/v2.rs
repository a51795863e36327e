//! Limits as v2 files.

use std::collections::BTreeMap;

use oci::runtime::{BlockIo, Cpu, HugepageLimit, Memory, NetworkResources, Rdma, ThrottleDevice};

use super::{Otherwise, Plan, checked_page_size, checked_shares, checked_word, set};
use crate::error::{Error, Result};

/// Plans the `memory` controller.
pub(crate) fn memory(memory: &Memory) -> Result<Plan> {
    let mut plan = Plan::default();
    if let Some(limit) = set(memory.limit) {
        plan.write("memory limit", "memory.max", bytes("memory limit", limit)?);
    }
    if let Some(swap) = swap_alone(memory)? {
        plan.write("memory plus swap limit", "memory.swap.max", bytes("memory plus swap limit", swap)?);
    }
    if let Some(reservation) = set(memory.reservation) {
        plan.write("memory reservation", "memory.low", bytes("memory reservation", reservation)?);
    }
    let pressure = "set `memory.high` by the unified resources";
    if set(memory.kernel).is_some_and(|limit| limit > 0) {
        plan.unknown("kernel memory limit", "v2", "the memory limit counts kernel memory too");
    }
    if set(memory.kernel_tcp).is_some_and(|limit| limit > 0) {
        plan.unknown("kernel TCP memory limit", "v2", "the memory limit counts socket memory too");
    }
    if memory.swappiness.is_some() {
        plan.unknown("memory swappiness", "v2", pressure);
    }
    if memory.disable_oom_killer == Some(true) {
        plan.unknown("OOM killer setting", "v2", pressure);
    }
    Ok(plan)
}

/// Returns what v2 wants, swap alone, from the specification's memory plus swap.
fn swap_alone(memory: &Memory) -> Result<Option<i64>> {
    let limit = set(memory.limit);
    let refuse = |swap: i64, reason: String| Err(Error::invalid("memory plus swap limit", swap, reason));
    match (set(memory.swap), limit) {
        (None, Some(-1)) | (Some(-1), _) => Ok(Some(-1)),
        (None, _) => Ok(None),
        (Some(swap), None | Some(-1)) => refuse(swap, "it needs a memory limit".to_owned()),
        (Some(swap), Some(limit)) if swap < limit => {
            refuse(swap, format!("it is below the memory limit {limit}"))
        }
        (Some(swap), Some(limit)) => Ok(Some(swap - limit)),
    }
}

fn bytes(limit: &'static str, bytes: i64) -> Result<String> {
    match bytes {
        -1 => Ok("max".to_owned()),
        0.. => Ok(bytes.to_string()),
        _ => Err(Error::invalid(limit, bytes, "it is negative")),
    }
}

/// Plans the `cpu` controller; `quota_now` is the first word of `cpu.max`, which has no file of its own.
pub(crate) fn cpu(cpu: &Cpu, quota_now: &str) -> Result<Plan> {
    let mut plan = Plan::default();
    if let Some(idle) = cpu.idle {
        plan.write("CPU idle", "cpu.idle", idle);
    }
    if let Some(shares) = checked_shares(cpu.shares)? {
        plan.write("CPU shares", "cpu.weight", weight_from_shares(shares));
    }
    let quota = set(cpu.quota).map(|quota| if quota > 0 { quota.to_string() } else { "max".to_owned() });
    match (quota, set(cpu.period)) {
        // The kernel keeps the period when only a quota is written.
        (Some(quota), None) => plan.write("CPU quota", "cpu.max", quota),
        (Some(quota), Some(period)) => plan.write("CPU quota", "cpu.max", format!("{quota} {period}")),
        (None, Some(period)) => plan.write("CPU period", "cpu.max", format!("{quota_now} {period}")),
        (None, None) => {}
    }
    if let Some(burst) = cpu.burst {
        plan.write("CPU burst", "cpu.max.burst", burst);
    }
    if set(cpu.realtime_period).is_some() || set(cpu.realtime_runtime).is_some() {
        plan.unknown("CPU real-time limits", "v2", "leave them out");
    }
    Ok(plan)
}

/// Converts v1's shares (2 to 262144, usually 1024) to a weight (1 to 10000, usually 100).
///
/// A quadratic in the exponents that fits least, usual and greatest value; runc (opencontainers/cgroups pull request 20) and crun
/// (pull request 1767) use it since 2025. The line that they used before made 39 of the usual value.
pub(crate) fn weight_from_shares(shares: u64) -> u64 {
    match shares {
        0..=2 => 1,
        262_144.. => 10_000,
        _ => {
            // Below 2^18, so exact.
            let log = f64::from(u32::try_from(shares).expect("shares are below 2^18")).log2();
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            // Between 1 and 10000.
            10f64.powf(exponent).ceil() as u64
        }
    }
}

/// Plans the `io` controller.
pub(crate) fn io(io: &BlockIo) -> Plan {
    let mut plan = Plan::default();
    if let Some(weight) = set(io.weight) {
        let value = format!("default {}", io_weight(weight));
        plan.push("IO weight", "io.bfq.weight", weight, Otherwise::Write { file: "io.weight".into(), value });
    }
    if set(io.leaf_weight).is_some()
        || io.weight_device.iter().any(|device| set(device.leaf_weight).is_some())
    {
        plan.unknown("IO leaf weight", "v2", "leave it out");
    }
    for device in &io.weight_device {
        if let Some(weight) = set(device.weight) {
            let number = format!("{}:{}", device.major, device.minor);
            let value = format!("{number} {}", io_weight(weight));
            let otherwise = Otherwise::Write { file: "io.weight".into(), value };
            plan.push("IO device weight", "io.bfq.weight", format!("{number} {weight}"), otherwise);
        }
    }
    let limits: [(_, _, &[ThrottleDevice]); 4] = [
        ("IO read rate", "rbps", &io.throttle_read_bps_device),
        ("IO write rate", "wbps", &io.throttle_write_bps_device),
        ("IO read operations", "riops", &io.throttle_read_iops_device),
        ("IO write operations", "wiops", &io.throttle_write_iops_device),
    ];
    for (limit, key, devices) in limits {
        for device in devices {
            // Zero lifts the limit in v1's terms.
            let rate = if device.rate == 0 { "max".to_owned() } else { device.rate.to_string() };
            plan.write(limit, "io.max", format!("{}:{} {key}={rate}", device.major, device.minor));
        }
    }
    plan
}

/// Converts a `blkio` weight (10 to 1000) to one of `io.weight` (1 to 10000), on a line as runc and crun do.
fn io_weight(weight: u16) -> u64 {
    1 + (u64::from(weight).saturating_sub(10)) * 9999 / 990
}

/// Plans the `hugetlb` controller.
pub(crate) fn hugetlb(limits: &[HugepageLimit]) -> Result<Plan> {
    let mut plan = Plan::default();
    for limit in limits {
        let size = checked_page_size(&limit.page_size)?;
        plan.write("huge page limit", format!("hugetlb.{size}.max"), limit.limit);
        plan.push("huge page limit", format!("hugetlb.{size}.rsvd.max"), limit.limit, Otherwise::Skip);
    }
    Ok(plan)
}

/// Plans the `rdma` controller; the file is the same on v1.
pub(crate) fn rdma(devices: &BTreeMap<String, Rdma>) -> Result<Plan> {
    let mut plan = Plan::default();
    for (device, limit) in devices {
        let mut value = checked_word("RDMA limit", device)?.to_owned();
        for (key, number) in [("hca_handle", limit.hca_handles), ("hca_object", limit.hca_objects)] {
            if let Some(number) = number {
                value.push_str(&format!(" {key}={number}"));
            }
        }
        plan.write("RDMA limit", "rdma.max", value);
    }
    Ok(plan)
}

/// Tells that v2 has neither `net_cls` nor `net_prio`.
pub(crate) fn network(network: &NetworkResources) -> Plan {
    let mut plan = Plan::default();
    if set(network.class_id).is_some() {
        plan.unknown("network class", "v2", "match the cgroup's path in the firewall");
    }
    if !network.priorities.is_empty() {
        plan.unknown("network priority", "v2", "set priorities in the firewall by the cgroup's path");
    }
    plan
}

/// Checks the raw keys of `unified` and plans them as they are, one write for each line.
pub(crate) fn unified(values: &BTreeMap<String, String>) -> Result<Plan> {
    let mut plan = Plan::default();
    for (key, value) in values {
        let refuse = |reason| Err(Error::invalid("unified resource", key, reason));
        if key.contains(['/', '\0']) || !key.contains('.') || key.starts_with('.') {
            return refuse("it is not the name of a cgroup file");
        }
        // The rest of the core files moves or kills processes and is not a limit.
        let core = ["cgroup.max.depth", "cgroup.max.descendants", "cgroup.pressure"];
        if key.starts_with("cgroup.") && !core.contains(&key.as_str()) {
            return refuse("it is not a limit");
        }
        for line in value.lines() {
            plan.write("unified resource", key.clone(), line);
        }
    }
    Ok(plan)
}
