//! `inspect`: everything about a container, with Docker's field names.

mod mounts;

use serde_json::{Map, Value, json};
use supervisor::health::Health;
use supervisor::log::format_time;

use super::find::{Container, Life, find};
use super::record::ContainerRecord;
use super::spec;
use crate::error::Result;
use crate::paths::Engine;
use crate::request::{
    Capability, DEFAULT_NETWORK, DeviceRule, Entrypoint, NetworkMode, PublishRequest, Seccomp, Security,
    Timeout, Unmask, UserMode,
};

/// Returns the document of a container; with `size`, what it takes on disk too.
pub fn inspect(engine: &Engine, word: &str, size: bool) -> Result<Value> {
    let container = find(engine, word)?;
    let mut document = document(engine, &container);
    if size && let Some(size) = super::list::size(engine, &container.record.id)? {
        document["SizeRw"] = json!(size.writable);
        document["SizeRootFs"] = json!(size.total);
    }
    Ok(document)
}

fn document(engine: &Engine, container: &Container) -> Value {
    let record = &container.record;
    let request = &record.request;
    let (entrypoint, command) = program(engine, record);
    let exposed: Vec<String> = crate::network::exposed(record)
        .into_iter()
        .map(|(port, protocol)| format!("{port}/{protocol}"))
        .collect();
    let set = |names: &[String]| names.iter().map(|name| (name.clone(), json!({}))).collect::<Map<_, _>>();
    json!({
        "Id": record.id,
        "Created": format_time(record.created),
        "Path": record.args.first(),
        "Args": record.args.get(1..).unwrap_or_default(),
        "State": state(container),
        "Image": record.image_id,
        "ResolvConfPath": engine.container_dir(&record.id).join("resolv.conf"),
        "HostnamePath": engine.container_dir(&record.id).join("hostname"),
        "HostsPath": engine.container_dir(&record.id).join("hosts"),
        "LogPath": super::log_files::path(engine, record).unwrap_or_default(),
        "Name": format!("/{}", record.name),
        "RestartCount": container.status.as_ref().map_or(0, |status| status.restarts),
        "Driver": "overlay",
        "Platform": "linux",
        "HostConfig": host_config(container),
        "Mounts": mounts::mounts(engine, record),
        "Config": {
            "Hostname": record.hostname,
            "Domainname": request.domainname.clone().unwrap_or_default(),
            "User": record.user,
            "AttachStdin": request.attach.stdin,
            "AttachStdout": request.attach.stdout,
            "AttachStderr": request.attach.stderr,
            "Tty": request.tty,
            "OpenStdin": request.interactive,
            "Env": record.env,
            "Cmd": command,
            "Entrypoint": entrypoint,
            "ExposedPorts": set(&exposed),
            "Volumes": set(&record.volumes),
            "OnBuild": Value::Null,
            "StdinOnce": request.interactive && request.attach.stdin,
            "Healthcheck": record.healthcheck,
            "StopTimeout": request.stop_timeout.map(|timeout| match timeout {
                Timeout::Never => -1,
                Timeout::After(time) => time.as_secs().cast_signed(),
            }),
            "Image": request.image,
            "WorkingDir": record.workdir,
            "Labels": record.labels,
            "StopSignal": request.stop_signal.map(|signal| signal.to_string()).or_else(|| record.stop_signal.clone()).unwrap_or_default(),
        },
        "NetworkSettings": network_settings(engine, container),
        "Isolation": isolation(container),
    })
}

/// Entry point and command as Docker shows them: what was asked for, else the image's.
fn program(engine: &Engine, record: &ContainerRecord) -> (Option<Vec<String>>, Option<Vec<String>>) {
    let request = &record.request;
    let command = Some(request.command.clone()).filter(|command| !command.is_empty());
    match &request.entrypoint {
        Entrypoint::Program(program) => (Some(vec![program.clone()]), command),
        Entrypoint::Cleared => (None, command),
        Entrypoint::Image => {
            let image = crate::image::open(engine).and_then(|images| Ok(images.resolve(&record.image_id)?));
            // Gone by force: what the record has is all that is known.
            let Ok(image) = image else { return (None, command) };
            (image.config.entrypoint, command.or(image.config.cmd))
        }
    }
}

/// A network mode as it is typed.
pub(crate) fn network_mode(mode: &NetworkMode) -> String {
    match mode {
        NetworkMode::Default => DEFAULT_NETWORK.to_owned(),
        NetworkMode::None => "none".to_owned(),
        NetworkMode::Host => "host".to_owned(),
        NetworkMode::Container(name) => format!("container:{name}"),
        NetworkMode::Networks(list) => {
            list.first().map_or_else(|| "none".to_owned(), |first| first.network.clone())
        }
    }
}

/// Where it is on its networks, as far as that can be read.
fn network_settings(engine: &Engine, container: &Container) -> Value {
    let pid = container.status.as_ref().filter(|_| container.is_running()).map(|status| status.pid);
    crate::network::settings(engine, &container.record, pid).unwrap_or_default()
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

fn state(container: &Container) -> Value {
    let status = container.status.as_ref();
    let life = container.state();
    let running = container.is_running();
    let dropped = status.map(|status| status.dropped).unwrap_or_default();
    let time = |time: Option<i64>| match time {
        Some(time) if time > 0 => format_time(time),
        _ => "0001-01-01T00:00:00Z".to_owned(),
    };
    json!({
        "Status": life.word(),
        // As with Docker, one that will run again counts as one that runs.
        "Running": running || life == Life::Restarting,
        "Paused": life == Life::Paused,
        "Restarting": life == Life::Restarting,
        "OOMKilled": status.is_some_and(|status| status.oom_killed),
        "Dead": false,
        "Pid": status.filter(|_| running).map_or(0, |status| status.pid),
        "ExitCode": container.exit_code(),
        "Error": status.and_then(|status| status.error.clone()).unwrap_or_default(),
        "StartedAt": time(status.map(|status| status.started)),
        "FinishedAt": time(status.map(|status| status.finished)),
        "Warnings": status.map(|status| status.warnings.clone()).unwrap_or_default(),
        "Dropped": { "LogRecords": dropped.log_records, "ClientBytes": dropped.client_bytes },
        "GuardianPid": status.filter(|_| running).map_or(0, |status| status.guardian),
        "SupervisorPid": status.filter(|_| running).map_or(0, |status| status.supervisor),
        // Null and not absent: templates ask for it.
        "Health": health(container),
    })
}

/// What health checks have said, in one voice with `ps`.
fn health(container: &Container) -> Option<Value> {
    let status = container.status.as_ref()?.health?;
    let health = Health::load(&container.run_dir).unwrap_or_default();

    let check = |check: &supervisor::health::Check| {
        json!({
            "Start": format_time(check.start),
            "End": format_time(check.end),
            "ExitCode": check.exit_code,
            "Output": check.output,
        })
    };
    Some(json!({
        "Status": status.word(),
        "FailingStreak": health.failing_streak,
        "Log": health.log.iter().map(check).collect::<Vec<_>>(),
    }))
}

fn host_config(container: &Container) -> Value {
    let request = &container.record.request;
    let resources = &request.resources;
    let (quota, period) = resources.cpu.quota_and_period();
    let (masked, read_only) = spec::protected_paths(&request.security);
    json!({
        "AutoRemove": request.auto_remove,
        "Privileged": request.security.privileged,
        "ReadonlyRootfs": request.read_only,
        "Init": request.init,
        "CapAdd": capabilities(&request.security.cap_add),
        "CapDrop": capabilities(&request.security.cap_drop),
        "EffectiveCapabilities": spec::capabilities(&request.security),
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
        "NetworkMode": network_mode(&request.namespaces.network),
        "UsernsMode": match &request.namespaces.user {
            UserMode::Default => String::new(),
            UserMode::Auto => "auto".to_owned(),
            UserMode::Host => "host".to_owned(),
            UserMode::Container(name) => format!("container:{name}"),
        },
        "Memory": resources.memory.limit.unwrap_or(0),
        "MemoryReservation": resources.memory.reservation.unwrap_or(0),
        "MemorySwap": resources.memory.swap.map_or(0, |limit| limit.as_i64()),
        "NanoCpus": resources.cpu.nano.unwrap_or(0),
        "CpuShares": resources.cpu.shares.unwrap_or(0),
        "CpuQuota": quota.unwrap_or(0),
        "CpuPeriod": period.unwrap_or(0),
        "CpusetCpus": resources.cpu.cpuset_cpus.clone().unwrap_or_default(),
        "CpusetMems": resources.cpu.cpuset_mems.clone().unwrap_or_default(),
        "PidsLimit": resources.pids.map_or(spec::PIDS_DEFAULT, |limit| limit.as_i64()),
        "Devices": request.devices.iter().map(|device| json!({
            "PathOnHost": device.host,
            "PathInContainer": device.container,
            "CgroupPermissions": device.access.to_string(),
        })).collect::<Vec<_>>(),
        "DeviceCgroupRules": resources.device_rules.iter().map(device_rule).collect::<Vec<_>>(),
        "SecurityOpt": security_options(&request.security),
        "MaskedPaths": masked,
        "ReadonlyPaths": read_only,
        "ShmSize": request.shm_bytes.unwrap_or(64 << 20),
        "CgroupParent": request.cgroup_parent.clone().unwrap_or_default(),
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

/// What really separates a running container: the kernel's answer, so that no weakening is silent.
fn isolation(container: &Container) -> Value {
    let Some(status) = container.status.as_ref().filter(|status| status.is_alive()) else {
        return Value::Null;
    };
    let pid = status.pid;
    let map = sys::fs::read_to_string(format!("/proc/{pid}/uid_map")).unwrap_or_default();
    let link =
        |who: &str, name: &str| rustix::fs::readlink(format!("/proc/{who}/ns/{name}"), Vec::new()).ok();
    let own = |name: &str| link(&pid.to_string(), name) != link("self", name);
    let seccomp = sys::fs::read_to_string(format!("/proc/{pid}/status")).ok().and_then(|text| {
        text.lines().find_map(|line| line.strip_prefix("Seccomp:").map(|mode| mode.trim() == "2"))
    });
    json!({
        "UserNamespace": own("user"),
        "UidMap": map.split_whitespace().collect::<Vec<_>>(),
        "PidNamespace": own("pid"),
        "NetworkNamespace": own("net"),
        "IpcNamespace": own("ipc"),
        "UtsNamespace": own("uts"),
        "MountNamespace": own("mnt"),
        "CgroupNamespace": own("cgroup"),
        "Seccomp": seccomp,
    })
}
