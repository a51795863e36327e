//! Limits of a request in the words of the specification.

use std::path::Path;

use oci::runtime::{BlockIo, Cpu, Device, DeviceRule, Memory, Resources, ThrottleDevice, WeightDevice};

use super::super::record::ContainerRecord;
use super::defaults::device_at;
use crate::error::{Error, Result};
use crate::request::{self, DeviceMapping};

/// Processes of a container unless asked otherwise: a fork bomb must not take the machine.
pub(crate) const PIDS_DEFAULT: i64 = 4096;

/// Returns all limits but that of processes.
pub(super) fn resources(record: &ContainerRecord, devices: &[(Device, String)]) -> Result<Resources> {
    Ok(Resources { devices: device_rules(record, devices), ..limits_of(&record.request.resources)? })
}

/// Returns the limits of memory, processors and block devices.
pub(crate) fn limits_of(request: &request::Resources) -> Result<Resources> {
    Ok(Resources {
        memory: memory(&request.memory),
        cpu: cpu(&request.cpu),
        block_io: block_io(&request.block_io)?,
        ..Resources::default()
    })
}

fn device_rules(record: &ContainerRecord, devices: &[(Device, String)]) -> Vec<DeviceRule> {
    if record.request.security.privileged {
        return vec![DeviceRule { allow: true, access: Some("rwm".into()), ..DeviceRule::default() }];
    }
    let mut rules = vec![DeviceRule { allow: false, access: Some("rwm".into()), ..DeviceRule::default() }];
    rules.extend(cgroup::default_devices());
    rules.extend(devices.iter().map(|(device, access)| DeviceRule {
        allow: true,
        kind: Some(device.kind.clone()),
        major: Some(device.major),
        minor: Some(device.minor),
        access: Some(access.clone()),
    }));
    rules.extend(record.request.resources.device_rules.iter().map(|rule| DeviceRule {
        allow: true,
        kind: Some(rule.kind.as_str().to_owned()),
        major: rule.major.map(i64::from),
        minor: rule.minor.map(i64::from),
        access: Some(rule.access.to_string()),
    }));
    rules
}

fn memory(request: &request::Memory) -> Option<Memory> {
    let limit = request.limit.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    let swap =
        request.swap.map(request::Limit::as_i64).or_else(|| limit.map(|limit| limit.saturating_mul(2)));
    let memory = Memory {
        limit,
        reservation: request.reservation.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        swap,
        swappiness: request.swappiness.map(u64::from),
        disable_oom_killer: request.oom_kill_disable.then_some(true),
        ..Memory::default()
    };
    (memory != Memory::default()).then_some(memory)
}

fn cpu(request: &request::Cpu) -> Option<Cpu> {
    let (quota, period) = request.quota_and_period();
    let cpu = Cpu {
        // The kernel's own bounds, as Docker applies them.
        shares: request.shares.filter(|shares| *shares != 0).map(|shares| shares.clamp(2, 262_144)),
        quota,
        period,
        realtime_runtime: request.realtime_runtime,
        realtime_period: request.realtime_period,
        cpus: request.cpuset_cpus.clone(),
        mems: request.cpuset_mems.clone(),
        ..Cpu::default()
    };
    (cpu != Cpu::default()).then_some(cpu)
}

/// Fails where more or other processors are asked for than the machine has; before a container is made.
pub(crate) fn check_processors(request: &request::Cpu) -> Result<()> {
    if request.nano.is_none() && request.cpuset_cpus.is_none() && request.cpuset_mems.is_none() {
        return Ok(());
    }
    let online = online("cpu");
    let count = online.iter().map(|(first, last)| (last + 1).saturating_sub(*first)).sum::<u64>();
    if count > 0 && request.nano.is_some_and(|nano| nano > count * 1_000_000_000) {
        return Err(Error::invalid(format!(
            "--cpus: the range is 0.01 to {count}.00, as there are only {count} CPUs available"
        ))
        .hint("ask for fewer with --cpus, or leave it out for no limit"));
    }
    let sets = [
        ("cpus", "CPUs", &request.cpuset_cpus, online),
        ("mems", "memory nodes", &request.cpuset_mems, self::online("node")),
    ];
    for (flag, what, set, available) in sets {
        let Some(set) = set else { continue };
        let inside = |range: &(u64, u64)| available.iter().any(|have| have.0 <= range.0 && range.1 <= have.1);
        if !available.is_empty() && !ranges(set).iter().all(inside) {
            let have: Vec<String> = available.iter().map(|(first, last)| format!("{first}-{last}")).collect();
            return Err(Error::invalid(format!(
                "--cpuset-{flag}: not all of the {what} `{set}` are available"
            ))
            .hint(format!("this machine has {}", have.join(","))));
        }
    }
    Ok(())
}

/// The processors or memory nodes that are switched on; empty where the kernel does not say.
fn online(kind: &str) -> Vec<(u64, u64)> {
    let path = format!("/sys/devices/system/{kind}/online");
    sys::fs::read_to_string(path).map(|text| ranges(&text)).unwrap_or_default()
}

/// Reads a list like `0-3,7` (cpuset(7), "List format").
fn ranges(text: &str) -> Vec<(u64, u64)> {
    let range = |entry: &str| {
        let (first, last) = entry.split_once('-').unwrap_or((entry, entry));
        Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
    };
    text.trim().split(',').filter_map(range).collect()
}

fn block_io(request: &request::BlockIo) -> Result<Option<BlockIo>> {
    let rates = |list: &[request::DeviceRate]| {
        list.iter()
            .map(|item| {
                let (major, minor) = block_device(&item.path)?;
                Ok(ThrottleDevice { major, minor, rate: item.rate })
            })
            .collect::<Result<Vec<_>>>()
    };
    let weights = request
        .weight_devices
        .iter()
        .map(|item| {
            let (major, minor) = block_device(&item.path)?;
            Ok(WeightDevice { major, minor, weight: Some(item.weight), leaf_weight: None })
        })
        .collect::<Result<Vec<_>>>()?;
    let io = BlockIo {
        weight: request.weight,
        weight_device: weights,
        throttle_read_bps_device: rates(&request.read_bps)?,
        throttle_write_bps_device: rates(&request.write_bps)?,
        throttle_read_iops_device: rates(&request.read_iops)?,
        throttle_write_iops_device: rates(&request.write_iops)?,
        ..BlockIo::default()
    };
    Ok((io != BlockIo::default()).then_some(io))
}

fn block_device(path: &Path) -> Result<(i64, i64)> {
    match device_at(path) {
        Some(device) if device.kind == "b" => Ok((device.major, device.minor)),
        _ => Err(Error::invalid(format!("`{}` is not a block device", path.display()))
            .hint("name the device that holds the data, like /dev/sda")),
    }
}

/// Describes the devices asked for, each with its access; of a directory all in it.
pub(super) fn devices(mappings: &[DeviceMapping]) -> Result<Vec<(Device, String)>> {
    let mut devices = Vec::new();
    for mapping in mappings {
        let access = mapping.access.to_string();
        if let Some(device) = device_at(&mapping.host) {
            devices.push((Device { path: mapping.container.clone(), ..device }, access));
            continue;
        }
        let before = devices.len();
        if let Ok(directory) = sys::Dir::open(&mapping.host) {
            for entry in directory.list(".")? {
                if let Some(device) = device_at(&mapping.host.join(&entry.name)) {
                    devices.push((
                        Device { path: mapping.container.join(&entry.name), ..device },
                        access.clone(),
                    ));
                }
            }
        }
        if devices.len() == before {
            return Err(Error::invalid(format!(
                "`{}` is not a device of this machine",
                mapping.host.display()
            ))
            .hint("name an existing device node, like /dev/fuse"));
        }
    }
    Ok(devices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors() {
        let rows: [(&str, &[(u64, u64)]); 5] = [
            ("0", &[(0, 0)]),
            ("0-3\n", &[(0, 3)]),
            ("0-3,7,9-10", &[(0, 3), (7, 7), (9, 10)]),
            ("", &[]),
            ("x", &[]),
        ];
        for (list, expected) in rows {
            assert_eq!(ranges(list), expected, "{list}");
        }
    }
}
