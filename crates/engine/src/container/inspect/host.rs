//! `HostConfig` of `inspect`: how a container was asked to be placed, confined and limited, with Docker's field names.

use serde_json::{Map, Value, json};

use super::{mounts, network_mode};
use crate::container::find::Container;
use crate::container::spec;
use crate::request::{
    Capability, ContainerRequest, DeviceRate, DeviceRule, DeviceWeight, IpcMode, PidMode, PublishRequest,
    Resources, Seccomp, Security, Ulimit, Unmask, UserMode, UtsMode,
};

/// `HostConfig`: what was asked for.
pub(super) fn host_config(container: &Container) -> Value {
    let request = &container.record.request;
    let mut config = json!({
        "AutoRemove": request.auto_remove,
        "Privileged": request.security.privileged,
        "ReadonlyRootfs": request.read_only,
        "Init": request.init,
        "Binds": mounts::binds(request),
        "Mounts": mounts::asked(request),
        "VolumesFrom": mounts::volumes_from(request),
        "Tmpfs": mounts::tmpfs(request),
        "LogConfig": {
            "Type": request.log.name(),
            "Config": request.log.options().map(|options| options.typed.clone()).unwrap_or_default(),
        },
        "RestartPolicy": {
            "Name": request.restart.word(),
            "MaximumRetryCount": request.restart.retries_max(),
        },
        "PortBindings": port_bindings(&request.publish),
        "PublishAllPorts": request.publish_all,
        "Dns": request.dns.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "DnsOptions": request.dns_options,
        "DnsSearch": request.dns_search,
        "ExtraHosts": request.hosts.iter().map(extra_host).collect::<Vec<_>>(),
        "ShmSize": request.shm_bytes.unwrap_or(64 << 20),
        "CgroupParent": request.cgroup_parent.clone().unwrap_or_default(),
        "Annotations": request.annotations,
        "ConsoleSize": request.console_size.map_or([0, 0], |size| [size.height, size.width]),
        "ContainerIDFile": request.cidfile.clone().unwrap_or_default(),
        "GroupAdd": request.groups,
        "Sysctls": request.sysctls,
        // What Docker has and asks nothing of us.
        "Isolation": "",
        "Links": [],
        "Runtime": "coracle",
        "StorageOpt": {},
        "VolumeDriver": "",
    });
    for part in [namespaces(request), security(request), limits(request)] {
        if let (Value::Object(config), Value::Object(part)) = (&mut config, part) {
            config.extend(part);
        }
    }
    config
}

fn namespaces(request: &ContainerRequest) -> Value {
    let modes = &request.namespaces;
    let joined = |name: &str| format!("container:{name}");
    json!({
        "NetworkMode": network_mode(&modes.network),
        "UsernsMode": match &modes.user {
            UserMode::Default => String::new(),
            UserMode::Auto => "auto".to_owned(),
            UserMode::Host => "host".to_owned(),
            UserMode::Container(name) => joined(name),
        },
        "PidMode": match &modes.pid {
            PidMode::Private => String::new(),
            PidMode::Host => "host".to_owned(),
            PidMode::Container(name) => joined(name),
        },
        "IpcMode": match &modes.ipc {
            IpcMode::Private => "private".to_owned(),
            IpcMode::Shareable => "shareable".to_owned(),
            IpcMode::None => "none".to_owned(),
            IpcMode::Host => "host".to_owned(),
            IpcMode::Container(name) => joined(name),
        },
        "UTSMode": if modes.uts == UtsMode::Host { "host" } else { "" },
        "CgroupnsMode": if spec::has_own_cgroup_namespace(request) { "private" } else { "host" },
        "Cgroup": "",
    })
}

fn security(request: &ContainerRequest) -> Value {
    let (masked, read_only) = spec::protected_paths(&request.security);
    json!({
        "CapAdd": capabilities(&request.security.cap_add),
        "CapDrop": capabilities(&request.security.cap_drop),
        "EffectiveCapabilities": spec::capabilities(&request.security),
        "SecurityOpt": security_options(&request.security),
        "MaskedPaths": masked,
        "ReadonlyPaths": read_only,
    })
}

fn limits(request: &ContainerRequest) -> Value {
    let Resources { memory, cpu, block_io, pids, ulimits, device_rules } = &request.resources;
    let (quota, period) = cpu.quota_and_period();
    let rates = |rates: &[DeviceRate]| {
        rates.iter().map(|rate| json!({ "Path": rate.path, "Rate": rate.rate })).collect::<Vec<_>>()
    };
    let weight = |device: &DeviceWeight| json!({ "Path": device.path, "Weight": device.weight });
    let ulimit = |limit: &Ulimit| json!({ "Name": limit.name, "Soft": limit.soft.as_i64(), "Hard": limit.hard.as_i64() });
    json!({
        "Memory": memory.limit.unwrap_or(0),
        "MemoryReservation": memory.reservation.unwrap_or(0),
        "MemorySwap": memory.swap_in_force().map_or(0, |limit| limit.as_i64()),
        "NanoCpus": cpu.nano.unwrap_or(0),
        "CpuShares": cpu.shares.unwrap_or(0),
        "CpuQuota": quota.unwrap_or(0),
        "CpuPeriod": period.unwrap_or(0),
        "CpusetCpus": cpu.cpuset_cpus.clone().unwrap_or_default(),
        "CpusetMems": cpu.cpuset_mems.clone().unwrap_or_default(),
        "PidsLimit": pids.map_or(spec::PIDS_DEFAULT, |limit| limit.as_i64()),
        "Devices": request.devices.iter().map(|device| json!({
            "PathOnHost": device.host,
            "PathInContainer": device.container,
            "CgroupPermissions": device.access.to_string(),
        })).collect::<Vec<_>>(),
        "DeviceCgroupRules": device_rules.iter().map(device_rule).collect::<Vec<_>>(),
        "MemorySwappiness": memory.swappiness,
        "OomKillDisable": memory.oom_kill_disable,
        "OomScoreAdj": memory.oom_score_adj.unwrap_or(0),
        "CpuRealtimePeriod": cpu.realtime_period.unwrap_or(0),
        "CpuRealtimeRuntime": cpu.realtime_runtime.unwrap_or(0),
        "BlkioWeight": block_io.weight.unwrap_or(0),
        "BlkioWeightDevice": block_io.weight_devices.iter().map(weight).collect::<Vec<_>>(),
        "BlkioDeviceReadBps": rates(&block_io.read_bps),
        "BlkioDeviceWriteBps": rates(&block_io.write_bps),
        "BlkioDeviceReadIOps": rates(&block_io.read_iops),
        "BlkioDeviceWriteIOps": rates(&block_io.write_iops),
        "Ulimits": ulimits.iter().map(ulimit).collect::<Vec<_>>(),
        "DeviceRequests": [],
        // For other kernels and systems.
        "KernelMemory": 0,
        "CpuCount": 0,
        "CpuPercent": 0,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
    })
}

fn capabilities(list: &[Capability]) -> Vec<&str> {
    list.iter()
        .map(|capability| match capability {
            Capability::All => "ALL",
            Capability::Named(name) => name.as_str(),
        })
        .collect()
}

/// A rule as it is typed: `c 10:* rwm`.
fn device_rule(rule: &DeviceRule) -> String {
    let number = |number: Option<u32>| number.map_or_else(|| "*".to_owned(), |number| number.to_string());
    format!("{} {}:{} {}", rule.kind.as_str(), number(rule.major), number(rule.minor), rule.access)
}

/// What `--security-opt` asked for; the paths left open show in what is still masked.
fn security_options(security: &Security) -> Vec<String> {
    let seccomp = match &security.seccomp {
        Seccomp::Default => None,
        Seccomp::Builtin => Some("seccomp=builtin".to_owned()),
        Seccomp::Unconfined => Some("seccomp=unconfined".to_owned()),
        Seccomp::Profile { path, .. } => Some(format!("seccomp={}", path.display())),
    };
    let switches = [
        (security.no_new_privileges, "no-new-privileges"),
        (security.writable_cgroups, "writable-cgroups"),
        (security.unmask == Unmask::All, "systempaths=unconfined"),
    ];
    let switches = switches.iter().filter(|(on, _)| *on).map(|(_, word)| (*word).to_owned());
    seccomp.into_iter().chain(switches).collect()
}

/// What was asked to be published, by port of the container.
fn port_bindings(publish: &[PublishRequest]) -> Value {
    let mut bindings: Map<String, Value> = Map::new();
    for asked in publish {
        for (offset, port) in (asked.container.first..=asked.container.last).enumerate() {
            let host = match asked.host {
                None => String::new(),
                Some(host) if host.last - host.first == asked.container.last - asked.container.first => {
                    (usize::from(host.first) + offset).to_string()
                }
                Some(host) => format!("{}-{}", host.first, host.last),
            };
            let ip = asked.host_ip.map(|ip| ip.to_string()).unwrap_or_default();
            let list = bindings.entry(format!("{port}/{}", asked.protocol)).or_insert_with(|| json!([]));
            if let Value::Array(list) = list {
                list.push(json!({ "HostIp": ip, "HostPort": host }));
            }
        }
    }
    Value::Object(bindings)
}

/// A line for /etc/hosts as it is typed.
fn extra_host((name, address): &(String, Option<std::net::IpAddr>)) -> String {
    let address = address.map_or_else(|| "host-gateway".to_owned(), |address| address.to_string());
    format!("{name}:{address}")
}
