//! `update`: other limits and another restart policy for a container, also while it runs.

use oci::runtime::{Pids, Resources as SpecResources};
use store::Durability;
use sys::Dir;

use super::amend::{Held, hold};
use super::create::durability;
use super::exec::open_group;
use super::find::{Container, is_held};
use super::policy;
use super::record::ContainerRecord;
use super::spec;
use crate::error::{Doing, Error, Result};
use crate::paths::Engine;
use crate::request::{Cpu, Limit, Memory, Resources, RestartPolicy, UpdateRequest};

/// Changes limits and policy of each container; returns what is not in force on this machine.
pub fn update(engine: &Engine, request: &UpdateRequest) -> Vec<(String, Result<Vec<String>>)> {
    let one = |word: &String| (word.clone(), update_one(engine, word, request));
    request.containers.iter().map(one).collect()
}

/// All changes are in force and written down, or none is.
fn update_one(engine: &Engine, word: &str, request: &UpdateRequest) -> Result<Vec<String>> {
    let mut held = hold(engine, word)?;
    if let Some(restart) = request.restart {
        set_restart(engine, &mut held.record, restart)
            .doing(|| format!("cannot update container `{word}`"))?;
    }
    let changes = &request.changes;
    if *changes == Resources::default() {
        // The supervisor reads the policy when the container has ended.
        write(&held).doing(|| format!("cannot update container `{word}`"))?;
        return Ok(Vec::new());
    }
    let merged = merge(&held.record.request.resources, changes)?;
    spec::check_processors(&merged.cpu)?;
    held.record.request.resources = merged.clone();
    let (id, what) = (held.record.id.clone(), || format!("cannot update container `{word}`"));
    let running = held.running();
    if let Some(running) = &running
        && running.cgroup().is_none()
    {
        return Err(Error::unsupported(format!(
            "cannot update container `{word}`: it runs without a cgroup"
        ))
        .hint("stop it first: then the limits are written down for its next start"));
    }
    let Some(group) = running.and_then(|running| open_group(running.cgroup())) else {
        write(&held).doing(what)?;
        drop(held);
        // A start that was under way has read the record before, and has made what has the old limits.
        return if is_started_meanwhile(engine, &id)? {
            update_one(engine, &id, request)
        } else {
            Ok(Vec::new())
        };
    };
    let limits = in_spec(&merged, changes)?;
    refuse_what_would_kill(&group, &limits).doing(what)?;
    let replaced = group.replace(&limits).doing(what)?;
    let warnings = replaced.warnings.iter().map(ToString::to_string).collect();
    let all = SpecResources {
        pids: merged.pids.map(|limit| Pids { limit: limit.as_i64() }),
        ..spec::limits_of(&merged)?
    };
    if let Err(error) = leave_for_next_run(engine, &id, &all).and_then(|()| write(&held)) {
        replaced.undo();
        return Err(error).doing(what);
    }
    Ok(warnings)
}

/// A wish for the end that was noted for a container without a policy has to last from now on.
fn set_restart(engine: &Engine, record: &mut ContainerRecord, restart: RestartPolicy) -> Result<()> {
    if record.request.auto_remove {
        return Err(Error::conflict(
            "Restart policy cannot be updated because AutoRemove is enabled for the container",
        ));
    }
    record.request.restart = restart;
    if policy::was_stopped(engine, record) { policy::note_stop(engine, record) } else { Ok(()) }
}

fn is_started_meanwhile(engine: &Engine, id: &str) -> Result<bool> {
    loop {
        match Container::load(engine, id)? {
            Some(container) if container.is_running() => return Ok(true),
            // Who holds it starts it, which takes milliseconds, or clears it away.
            Some(_) if is_held(engine, id)? => std::thread::sleep(std::time::Duration::from_millis(2)),
            _ => return Ok(false),
        }
    }
}

fn write(held: &Held) -> Result<()> {
    let durability = durability(&held.record.request);
    Ok(store::write_record(&held.directory, "record.json", &held.record, durability)?)
}

/// Tells the limits to the supervisor, which may start the container again by a plan that has others.
fn leave_for_next_run(engine: &Engine, id: &str, limits: &SpecResources) -> Result<()> {
    let text = serde_json::to_vec(limits).expect("limits are plain data");
    let directory = Dir::open(engine.run_dir(id))?;
    Ok(store::write_atomic(&directory, supervisor::LIMITS, &text, Durability::Volatile)?)
}

/// Returns the controllers that something changes of, with all that is to be known of them: some limits bound one another.
fn in_spec(merged: &Resources, changes: &Resources) -> Result<SpecResources> {
    let mut wanted = Resources { block_io: changes.block_io.clone(), ..Resources::default() };
    if changes.memory != Memory::default() {
        let Memory { limit, reservation, swap, .. } = merged.memory;
        wanted.memory = Memory { limit, reservation, swap, ..Memory::default() };
    }
    if changes.cpu != Cpu::default() {
        wanted.cpu = merged.cpu.clone();
    }
    let pids = changes.pids.map(|limit| Pids { limit: limit.as_i64() });
    Ok(SpecResources { pids, ..spec::limits_of(&wanted)? })
}

/// By v2 the kernel takes a limit below what is used, and then kills: that is no way to be told.
fn refuse_what_would_kill(group: &cgroup::Group, limits: &SpecResources) -> Result<()> {
    let limit = limits.memory.as_ref().and_then(|memory| u64::try_from(memory.limit?).ok());
    let used = group.stats()?.memory.map(|memory| memory.used());
    match (limit, used) {
        (Some(limit), Some(used)) if used > limit => Err(Error::conflict(format!(
            "memory limit: {limit} bytes are less than the {used} that the container uses"
        ))
        .hint("ask for more, or have the container use less first")),
        _ => Ok(()),
    }
}

/// Puts changes into limits, in Docker's words where they contradict each other. Pure.
fn merge(current: &Resources, changes: &Resources) -> Result<Resources> {
    let mut merged = current.clone();
    merged.memory = merge_memory(&current.memory, &changes.memory)?;
    merged.cpu = merge_cpu(&current.cpu, &changes.cpu)?;
    merged.block_io.weight = changes.block_io.weight.or(current.block_io.weight);
    merged.pids = changes.pids.or(current.pids);
    Ok(merged)
}

fn merge_memory(current: &Memory, changes: &Memory) -> Result<Memory> {
    // What `run` took for granted is set from now on: a larger limit does not make the sum larger.
    let swap_before = current.swap_in_force();
    let merged = Memory {
        limit: changes.limit.or(current.limit),
        reservation: changes.reservation.or(current.reservation),
        swap: changes.swap.or(if changes.limit.is_some() { swap_before } else { current.swap }),
        ..current.clone()
    };
    match (merged.limit, merged.swap) {
        (None, Some(Limit::Max(_))) => Err(Error::invalid(
            "You should always set the Memory limit when using Memoryswap limit, see usage",
        )),
        (Some(limit), Some(Limit::Max(swap))) if swap < limit && changes.swap.is_none() => Err(Error::invalid(
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
        )
        .hint(format!("memory plus swap is limited to {swap} bytes: add --memory-swap"))),
        (Some(limit), Some(Limit::Max(swap))) if swap < limit => Err(Error::invalid(
            "Minimum memoryswap limit should be larger than memory limit, see usage",
        )),
        _ if merged.reservation.zip(merged.limit).is_some_and(|(soft, hard)| soft > hard) => Err(Error::invalid(
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        )),
        _ => Ok(merged),
    }
}

fn merge_cpu(current: &Cpu, changes: &Cpu) -> Result<Cpu> {
    let conflicts = [
        (changes.nano.is_some() && current.period.is_some(), "Nano CPUs", "CPU Period"),
        (changes.nano.is_some() && current.quota.is_some(), "Nano CPUs", "CPU Quota"),
        (changes.period.is_some() && current.nano.is_some(), "CPU Period", "NanoCPUs"),
        (changes.quota.is_some() && current.nano.is_some(), "CPU Quota", "NanoCPUs"),
    ];
    if let Some((_, wanted, set)) = conflicts.iter().find(|(conflict, ..)| *conflict) {
        let text = format!("Conflicting options: {wanted} cannot be updated as {set} has already been set");
        return Err(Error::conflict(text).hint("use the option that the container was made with"));
    }
    Ok(Cpu {
        shares: changes.shares.or(current.shares),
        nano: changes.nano.or(current.nano),
        quota: changes.quota.or(current.quota),
        period: changes.period.or(current.period),
        realtime_runtime: changes.realtime_runtime.or(current.realtime_runtime),
        realtime_period: changes.realtime_period.or(current.realtime_period),
        cpuset_cpus: changes.cpuset_cpus.clone().or_else(|| current.cpuset_cpus.clone()),
        cpuset_mems: changes.cpuset_mems.clone().or_else(|| current.cpuset_mems.clone()),
    })
}

#[cfg(test)]
#[test]
fn changes_of_limits() {
    let memory = |limit: u64, swap: i64| Memory {
        limit: Some(limit).filter(|limit| *limit > 0),
        swap: match swap {
            0 => None,
            -1 => Some(Limit::Unlimited),
            swap => Some(Limit::Max(swap.unsigned_abs())),
        },
        ..Memory::default()
    };
    let rows = [
        ((0, 0), (64, 0), Ok((64, 0))),
        ((64, 0), (100, 0), Ok((100, 128))),
        ((64, 0), (129, 0), Err("Memory limit should be smaller than already set")),
        ((64, 0), (200, 400), Ok((200, 400))),
        ((64, -1), (200, 0), Ok((200, -1))),
        ((64, 96), (0, 80), Ok((64, 80))),
        ((64, 96), (0, 60), Err("Minimum memoryswap limit should be larger")),
        ((0, 0), (0, 60), Err("You should always set the Memory limit")),
        ((0, 0), (0, -1), Ok((0, -1))),
    ];
    for (current, changes, expected) in rows {
        let merged = merge_memory(&memory(current.0, current.1), &memory(changes.0, changes.1));
        match (merged, expected) {
            (Ok(merged), Ok((limit, swap))) => {
                assert_eq!(merged, memory(limit, swap), "{current:?} {changes:?}")
            }
            (Err(error), Err(text)) => assert!(error.to_string().starts_with(text), "{error}"),
            (merged, _) => panic!("{current:?} {changes:?}: {merged:?}"),
        }
    }
    let soft = Memory { reservation: Some(80), ..Memory::default() };
    merge_memory(&memory(64, 0), &soft).unwrap_err();
    let (nano, quota) =
        (Cpu { nano: Some(5), ..Cpu::default() }, Cpu { quota: Some(Limit::Max(5000)), ..Cpu::default() });
    let error = merge_cpu(&nano, &quota).unwrap_err();
    let text = "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set";
    assert_eq!(error.to_string(), text);
    merge_cpu(&quota, &nano).unwrap_err();
    let shares = Cpu { shares: Some(9), ..Cpu::default() };
    assert_eq!(merge_cpu(&nano, &shares).unwrap(), Cpu { shares: Some(9), ..nano });
}
