//! Options that are right one by one and wrong together.

use engine::request::{
    ContainerRequest, Cpu, IpcMode, Limit, Memory, NetworkMode, Resources, RestartPolicy, UtsMode,
};

use crate::grammar::{Invalid, Read, sysctl};

/// The kernel's own structures of a container need about this much.
const MEMORY_MIN: u64 = 6 << 20;

/// Refuses what contradicts itself, in Docker's words.
pub(super) fn check(request: &ContainerRequest) -> Read<()> {
    if request.auto_remove && request.restart != RestartPolicy::No {
        return fail("conflicting options: cannot specify both --restart and --rm");
    }
    check_memory(&request.resources.memory)?;
    check_cpu(&request.resources.cpu)?;
    check_names(request)?;
    check_sysctls(request)
}

/// Returns what is lawful and does nothing.
pub(crate) fn warning(request: &ContainerRequest) -> Option<&'static str> {
    if request.publish.is_empty() && !request.publish_all {
        return None;
    }
    match request.namespaces.network {
        NetworkMode::Host => Some("Published ports are discarded when using host network mode"),
        NetworkMode::None => Some("Published ports are discarded when using none network mode"),
        _ => None,
    }
}

/// Refuses limits that no container can have, whatever it has beside them.
pub(crate) fn check_limits(changes: &Resources) -> Read<()> {
    check_amounts(&changes.memory)?;
    check_cpu(&changes.cpu)
}

fn fail(text: &str) -> Read<()> {
    Err(Invalid::new(text))
}

fn check_memory(memory: &Memory) -> Read<()> {
    check_amounts(memory)?;
    let Memory { limit, reservation, swap, .. } = memory;
    if let (Some(limit), Some(reservation)) = (limit, reservation)
        && reservation > limit
    {
        return fail("Minimum memory limit can not be less than memory reservation limit, see usage");
    }
    match (limit, swap) {
        (None, Some(Limit::Max(_))) => {
            fail("You should always set the Memory limit when using Memoryswap limit, see usage")
        }
        (Some(limit), Some(Limit::Max(swap))) if swap < limit => {
            fail("Minimum memoryswap limit should be larger than memory limit, see usage")
        }
        _ => Ok(()),
    }
}

fn check_amounts(memory: &Memory) -> Read<()> {
    let Memory { limit, reservation, .. } = memory;
    if limit.is_some_and(|limit| limit < MEMORY_MIN) {
        return fail("Minimum memory limit allowed is 6MB");
    }
    if reservation.is_some_and(|reservation| reservation < MEMORY_MIN) {
        return fail("Minimum memory reservation allowed is 6MB");
    }
    Ok(())
}

fn check_cpu(cpu: &Cpu) -> Read<()> {
    if cpu.nano.is_some() && cpu.period.is_some() {
        return fail("Conflicting options: Nano CPUs and CPU Period cannot both be set.");
    }
    if cpu.nano.is_some() && cpu.quota.is_some() {
        return fail("Conflicting options: Nano CPUs and CPU Quota cannot both be set.");
    }
    if cpu.period.is_some_and(|period| !(1_000..=1_000_000).contains(&period)) {
        return fail("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
    }
    if matches!(cpu.quota, Some(Limit::Max(quota)) if quota < 1_000) {
        return fail("CPU cfs quota can not be less than 1ms (i.e. 1000)");
    }
    match (cpu.realtime_runtime, cpu.realtime_period) {
        (Some(runtime), Some(period)) if i128::from(runtime) > i128::from(period) => {
            fail("cpu real-time runtime cannot be higher than cpu real-time period")
        }
        _ => Ok(()),
    }
}

fn check_names(request: &ContainerRequest) -> Read<()> {
    let namespaces = &request.namespaces;
    let named = request.hostname.is_some() || request.domainname.is_some();
    if named && namespaces.uts == UtsMode::Host {
        return fail("conflicting options: hostname and the UTS mode");
    }
    if let NetworkMode::Container(owner) = &namespaces.network {
        if named {
            return fail("conflicting options: hostname and the network mode");
        }
        if !request.hosts.is_empty() {
            return fail("conflicting options: custom host-to-IP mapping and the network mode");
        }
        if !(request.dns.is_empty() && request.dns_options.is_empty() && request.dns_search.is_empty()) {
            return fail("conflicting options: dns and the network mode");
        }
        if !request.publish.is_empty() || request.publish_all {
            let text = "conflicting options: port publishing and the container type network mode";
            return Err(Invalid::new(text).hint(format!("ports are published where `{owner}` is made")));
        }
        if !request.expose.is_empty() {
            let text = "conflicting options: port exposing and the container type network mode";
            return Err(Invalid::new(text).hint(format!("ports are exposed where `{owner}` is made")));
        }
    }
    let shm = matches!(namespaces.ipc, IpcMode::Host | IpcMode::Container(_) | IpcMode::None);
    if shm && request.shm_bytes.is_some() {
        return fail("conflicting options: shm-size and the IPC mode");
    }
    Ok(())
}

/// A setting of a shared namespace would change the host or another container.
fn check_sysctls(request: &ContainerRequest) -> Read<()> {
    let namespaces = &request.namespaces;
    for key in request.sysctls.keys() {
        if sysctl::is_net(key) && namespaces.network == NetworkMode::Host {
            return Err(Invalid::new(format!("sysctl '{key}' is not allowed in the host network namespace")));
        }
        if sysctl::is_ipc(key) && namespaces.ipc == IpcMode::Host {
            return Err(Invalid::new(format!("sysctl '{key}' is not allowed in the host ipc namespace")));
        }
    }
    Ok(())
}
