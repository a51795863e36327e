//! `inspect`: everything about a container, with Docker's field names.

mod host;
mod mounts;

use std::path::Path;

use image::Snapshots;
use serde_json::{Map, Value, json};
use store::Durability;
use supervisor::health::Health;
use supervisor::log::format_time;

use super::find::{Container, Life, find};
use super::record::ContainerRecord;
use crate::confinement::apparmor;
use crate::confinement::selinux::Labels;
use crate::error::Result;
use crate::paths::Engine;
use crate::request::{DEFAULT_NETWORK, Entrypoint, NetworkMode, Timeout};

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
    let origin = crate::image::Origins::default().of(engine, &record.request.image, &record.image_id);
    json!({
        "Id": record.id,
        "Created": format_time(record.created),
        "Path": record.args.first(),
        "Args": record.args.get(1..).unwrap_or_default(),
        "State": state(container),
        "Image": record.image_id,
        "ImageDigest": origin.digest,
        "TagMoved": origin.moved,
        "ResolvConfPath": engine.container_dir(&record.id).join("resolv.conf"),
        "HostnamePath": engine.container_dir(&record.id).join("hostname"),
        "HostsPath": engine.container_dir(&record.id).join("hosts"),
        "LogPath": super::log_files::path(engine, record).unwrap_or_default(),
        "Name": format!("/{}", record.name),
        "RestartCount": container.status.as_ref().map_or(0, |status| status.restarts),
        "Driver": "overlay",
        "GraphDriver": graph_driver(engine, record),
        "Platform": "linux",
        "AppArmorProfile": apparmor_profile(container),
        "MountLabel": label(record, |labels| &labels.mount),
        "ProcessLabel": label(record, |labels| &labels.process),
        "ExecIDs": Value::Null,
        "HostConfig": host::host_config(container),
        "Mounts": mounts::mounts(engine, record),
        "Config": config(engine, record),
        "NetworkSettings": network_settings(engine, container),
        "Isolation": isolation(container),
    })
}

/// What its image and its request made of the container, by the names of image configurations.
fn config(engine: &Engine, record: &ContainerRecord) -> Value {
    let request = &record.request;
    let (entrypoint, command) = program(engine, record);
    let exposed = crate::network::exposed(record).into_iter();
    let exposed: Vec<String> = exposed.map(|(port, protocol)| format!("{port}/{protocol}")).collect();
    let set = |names: &[String]| names.iter().map(|name| (name.clone(), json!({}))).collect::<Map<_, _>>();
    json!({
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
    })
}

fn label(record: &ContainerRecord, which: fn(&Labels) -> &String) -> &str {
    record.confinement.as_ref().map_or("", |labels| which(labels))
}

/// The profile that the kernel holds it to while it runs, else the one that it will get.
fn apparmor_profile(container: &Container) -> String {
    let status = container.status.as_ref().filter(|_| container.is_running());
    status
        .and_then(|status| apparmor::of_process(status.pid))
        .unwrap_or_else(|| apparmor::shown(&container.record.request.security).to_owned())
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

/// Where its layers lie. There is no `MergedDir`: no mount of it is seen on the host.
fn graph_driver(engine: &Engine, record: &ContainerRecord) -> Value {
    let overlay =
        crate::image::open(engine).and_then(|images| Ok(images.mounts(&record.id, Durability::Synced)?));
    let mut data = Map::new();
    if let Ok(overlay) = overlay {
        let path = |path: &Path| overlay.store.join(path).display().to_string();
        let lowers: Vec<String> = overlay.lowers.iter().map(|lower| path(lower)).collect();
        data.insert("LowerDir".into(), json!(lowers.join(":")));
        if let Some(upper) = &overlay.upper {
            data.insert("UpperDir".into(), json!(path(&upper.upper)));
            data.insert("WorkDir".into(), json!(path(&upper.work)));
        }
    }
    json!({ "Name": "overlay2", "Data": data })
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
    let seccomp = crate::processes::read(pid, "status").and_then(|text| {
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
