//! `update`: other limits for a container that is there.

use std::collections::BTreeMap;

use oci::runtime::{BlockIo, Cpu, Memory, Resources, Spec, ThrottleDevice, WeightDevice};
use store::{Durability, Lock};

use super::config;
use super::home::{CONFIG, LIMITS, Runtime};
use super::request::UpdateRequest;
use crate::error::{Doing, Error, Result};

/// Changes the limits of a container: all that are named, or none. Returns those that are not in force.
///
/// They are kept in the container's `config.json`: a later change of one limit may need another one, as that of memory
/// and swap together needs that of memory. Device rules stay as they are, as with runc.
pub fn update(runtime: &Runtime, request: &UpdateRequest) -> Result<Vec<String>> {
    let changes = config::resources(&request.document, &request.name)?;
    let container = runtime.find(&request.id)?;
    container.must_run("update")?;
    let what = || format!("cannot update container `{}`", request.id);
    // Not the container's own lock: a hook may update the container that is being started.
    let _lock = Lock::exclusive(&container.dir, LIMITS)?;
    let mut spec = config::kept(&container.dir)?;
    let wanted = merge(&mut spec, &changes);
    let group = container.record.group().ok_or_else(|| {
        Error::unsupported(format!("cannot update container `{}`: it has no cgroup", request.id))
            .hint("run as root with a writable /sys/fs/cgroup")
    })?;
    let replaced = group.replace(&wanted).doing(what)?;
    let warnings = replaced.warnings.iter().map(ToString::to_string).collect();
    let kept = serde_json::to_vec(&spec)
        .map_err(|error| Error::invalid("cannot keep the specification").caused_by(error))
        .and_then(|bytes| Ok(store::write_atomic(&container.dir, CONFIG, &bytes, Durability::Volatile)?));
    if let Err(error) = kept {
        replaced.undo();
        return Err(error).doing(what);
    }
    Ok(warnings)
}

/// Puts the changes into the specification, and returns what is to be written: of a controller that something changes
/// of, all that bounds one another.
fn merge(spec: &mut Spec, changes: &Resources) -> Resources {
    let kept = spec.linux.get_or_insert_default().resources.get_or_insert_default();
    let mut wanted = Resources { devices: Vec::new(), ..changes.clone() };
    if let Some(changes) = &changes.memory {
        let memory = kept.memory.get_or_insert_default();
        merge_memory(memory, changes);
        // Whether to look at the usage is asked each time.
        wanted.memory = Some(Memory { check_before_update: changes.check_before_update, ..memory.clone() });
    }
    if let Some(changes) = &changes.cpu {
        merge_cpu(kept.cpu.get_or_insert_default(), changes);
        // Quota and period may be written alone; the processors were written when they were asked for.
        wanted.cpu = Some(changes.clone());
    }
    // runc's callers write 0 for no change, and -1 for no limit.
    wanted.pids = changes.pids.clone().filter(|pids| pids.limit != 0);
    if wanted.pids.is_some() {
        kept.pids.clone_from(&wanted.pids);
    }
    if let Some(changes) = &changes.block_io {
        merge_io(kept.block_io.get_or_insert_default(), changes);
    }
    for limit in &changes.hugepage_limits {
        kept.hugepage_limits.retain(|old| old.page_size != limit.page_size);
        kept.hugepage_limits.push(limit.clone());
    }
    if changes.network.is_some() {
        kept.network.clone_from(&changes.network);
    }
    extend(&mut kept.rdma, &changes.rdma);
    extend(&mut kept.unified, &changes.unified);
    wanted
}

fn extend<T: Clone>(kept: &mut BTreeMap<String, T>, changes: &BTreeMap<String, T>) {
    kept.extend(changes.iter().map(|(key, value)| (key.clone(), value.clone())));
}

fn replace<T: Clone>(kept: &mut Option<T>, change: &Option<T>) {
    if change.is_some() {
        kept.clone_from(change);
    }
}

fn merge_memory(kept: &mut Memory, changes: &Memory) {
    if changes.limit == Some(-1) && changes.swap.is_none_or(|swap| swap == 0) {
        // A limit of both together cannot stay alone.
        kept.swap = None;
    }
    replace(&mut kept.limit, &changes.limit.filter(|limit| *limit != 0));
    replace(&mut kept.swap, &changes.swap.filter(|limit| *limit != 0));
    replace(&mut kept.reservation, &changes.reservation.filter(|limit| *limit != 0));
    replace(&mut kept.kernel, &changes.kernel);
    replace(&mut kept.kernel_tcp, &changes.kernel_tcp);
    replace(&mut kept.swappiness, &changes.swappiness);
    replace(&mut kept.disable_oom_killer, &changes.disable_oom_killer);
    replace(&mut kept.use_hierarchy, &changes.use_hierarchy);
}

fn merge_cpu(kept: &mut Cpu, changes: &Cpu) {
    replace(&mut kept.shares, &changes.shares);
    replace(&mut kept.quota, &changes.quota);
    replace(&mut kept.burst, &changes.burst);
    replace(&mut kept.period, &changes.period);
    replace(&mut kept.realtime_runtime, &changes.realtime_runtime);
    replace(&mut kept.realtime_period, &changes.realtime_period);
    let named = |set: &Option<String>| set.clone().filter(|set| !set.is_empty());
    replace(&mut kept.cpus, &named(&changes.cpus));
    replace(&mut kept.mems, &named(&changes.mems));
    replace(&mut kept.idle, &changes.idle);
}

fn merge_io(kept: &mut BlockIo, changes: &BlockIo) {
    replace(&mut kept.weight, &changes.weight);
    replace(&mut kept.leaf_weight, &changes.leaf_weight);
    let weight = |device: &WeightDevice| (device.major, device.minor);
    let rate = |device: &ThrottleDevice| (device.major, device.minor);
    upsert(&mut kept.weight_device, &changes.weight_device, weight);
    upsert(&mut kept.throttle_read_bps_device, &changes.throttle_read_bps_device, rate);
    upsert(&mut kept.throttle_write_bps_device, &changes.throttle_write_bps_device, rate);
    upsert(&mut kept.throttle_read_iops_device, &changes.throttle_read_iops_device, rate);
    upsert(&mut kept.throttle_write_iops_device, &changes.throttle_write_iops_device, rate);
}

/// Puts each change in the place of what is kept for the same device.
fn upsert<T: Clone>(kept: &mut Vec<T>, changes: &[T], device: impl Fn(&T) -> (i64, i64)) {
    for change in changes {
        kept.retain(|old| device(old) != device(change));
        kept.push(change.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources(text: &str) -> Resources {
        config::resources(text.as_bytes(), "a test").unwrap()
    }

    #[test]
    fn what_is_not_named_stays_and_what_bounds_another_is_written_with_it() {
        let mut spec = Spec::default();
        merge(&mut spec, &resources(r#"{"memory":{"limit":100,"swap":300},"cpu":{"quota":5,"cpus":"0"}}"#));
        let wanted =
            merge(&mut spec, &resources(r#"{"memory":{"limit":200,"swap":null},"pids":{"limit":0}}"#));
        let memory = wanted.memory.unwrap();
        assert_eq!((memory.limit, memory.swap), (Some(200), Some(300)));
        assert_eq!((wanted.cpu, wanted.pids), (None, None));
        let wanted = merge(&mut spec, &resources(r#"{"cpu":{"period":9,"cpus":""},"pids":{"limit":-1}}"#));
        assert_eq!((wanted.cpu.unwrap().quota, wanted.pids.unwrap().limit), (None, -1));
        let kept = spec.linux.clone().unwrap().resources.unwrap();
        let cpu = kept.cpu.unwrap();
        assert_eq!((cpu.quota, cpu.period, cpu.cpus.as_deref()), (Some(5), Some(9), Some("0")));
        // Without a limit of memory there is none of both together.
        let wanted = merge(&mut spec, &resources(r#"{"memory":{"limit":-1}}"#));
        assert_eq!(wanted.memory.unwrap().swap, None);
    }

    #[test]
    fn devices_are_told_apart_by_their_numbers_and_rules_are_left_alone() {
        let mut spec = Spec::default();
        let change = |rate: u32| {
            format!(
                r#"{{"blockIO":{{"throttleReadBpsDevice":[{{"major":8,"minor":0,"rate":{rate}}}]}},"devices":[{{"allow":true}}],
                "unified":{{"memory.high":"{rate}"}}}}"#
            )
        };
        merge(&mut spec, &resources(&change(1)));
        let wanted = merge(&mut spec, &resources(&change(2)));
        assert!(wanted.devices.is_empty());
        let kept = spec.linux.unwrap().resources.unwrap();
        assert_eq!(kept.block_io.unwrap().throttle_read_bps_device.len(), 1);
        assert_eq!(kept.unified["memory.high"], "2");
    }
}
