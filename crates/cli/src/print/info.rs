//! What the engine holds and what it found on the machine.

use std::fmt::Write;
use std::iter::once;

use engine::request::view::InfoView;
use serde_json::{Value, json};

use super::human;
use super::rows::{Row, formatted};
use crate::grammar::format::Format;
use crate::template;

/// Returns the text of `info`.
pub fn info(view: &InfoView, format: &Format) -> template::Result<String> {
    Ok(formatted(format, &[], once(Row::new(object(view))))?.unwrap_or_else(|| text(view)))
}

fn containers(view: &InfoView) -> usize {
    view.containers_running + view.containers_paused + view.containers_stopped
}

fn text(view: &InfoView) -> String {
    let mut text = String::new();
    let mut line = |depth: usize, name: &str, value: &str| {
        let _ = writeln!(text, "{:depth$}{name}: {value}", "");
    };
    line(0, "Containers", &containers(view).to_string());
    line(1, "Running", &view.containers_running.to_string());
    line(1, "Paused", &view.containers_paused.to_string());
    line(1, "Stopped", &view.containers_stopped.to_string());
    line(0, "Images", &view.images.to_string());
    line(0, "Server Version", &view.version);
    line(0, "Storage Driver", &view.storage_driver);
    line(1, "Backing Filesystem", &view.backing_filesystem);
    line(0, "Logging Driver", "local");
    line(0, "Cgroup Driver", "cgroupfs");
    line(0, "Cgroup Version", &view.cgroup_version);
    line(0, "Security Options", &view.security_options.join(" "));
    line(0, "Kernel Version", &view.kernel);
    line(0, "Operating System", &view.operating_system);
    line(0, "OSType", "linux");
    line(0, "Architecture", &view.architecture);
    line(0, "CPUs", &view.cpus.to_string());
    line(0, "Total Memory", &human::binary_size(view.memory_bytes));
    line(0, "Name", &view.name);
    line(0, "Coracle Root Dir", &view.root);
    line(0, "Coracle Run Root Dir", &view.run_root);
    for warning in &view.warnings {
        let _ = writeln!(text, "WARNING: {warning}");
    }
    text
}

fn object(view: &InfoView) -> Value {
    let mut object = facts(view);
    if let (Value::Object(object), Value::Object(fixed)) = (&mut object, of_docker(view)) {
        object.extend(fixed);
    }
    object
}

fn facts(view: &InfoView) -> Value {
    let limits = view.limits;
    json!({
        "ID": view.id,
        "Containers": containers(view),
        "ContainersRunning": view.containers_running,
        "ContainersPaused": view.containers_paused,
        "ContainersStopped": view.containers_stopped,
        "Images": view.images,
        "ServerVersion": view.version,
        "Driver": view.storage_driver,
        "DriverStatus": [["Backing Filesystem", view.backing_filesystem]],
        // Docker has one or the other: limits are those of v1 on a hybrid.
        "CgroupVersion": if view.cgroup_version == "hybrid" { "1" } else { &view.cgroup_version },
        "SecurityOptions": view.security_options.iter().map(|name| security_option(name)).collect::<Vec<_>>(),
        "KernelVersion": view.kernel,
        "OperatingSystem": view.operating_system,
        "OSVersion": view.os_version,
        "Architecture": view.architecture,
        "NCPU": view.cpus,
        "MemTotal": view.memory_bytes,
        "Name": view.name,
        "DockerRootDir": view.root,
        "RunRootDir": view.run_root,
        "Warnings": view.warnings,
        "MemoryLimit": limits.memory,
        "SwapLimit": limits.swap,
        "CpuCfsPeriod": limits.cpu,
        "CpuCfsQuota": limits.cpu,
        "CPUShares": limits.cpu,
        "CPUSet": limits.cpuset,
        "PidsLimit": limits.pids,
        "OomKillDisable": limits.oom_kill_disable,
        "IPv4Forwarding": view.ipv4_forwarding,
    })
}

/// As Docker writes it: a name, and what more there is to say.
fn security_option(name: &str) -> String {
    let profile = if name == "seccomp" { ",profile=builtin" } else { "" };
    format!("name={name}{profile}")
}

/// What is the same on every machine, and what a daemon, a swarm or another runtime would have.
fn of_docker(view: &InfoView) -> Value {
    json!({
        "CgroupDriver": "cgroupfs",
        "LoggingDriver": "local",
        "OSType": "linux",
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "macvlan", "null"],
            "Authorization": null,
            "Log": ["json-file", "local", "none"],
        },
        "Runtimes": { "coracle": { "path": "coracle-runtime" } },
        "DefaultRuntime": "coracle",
        "InitBinary": "docker-init",
        // Containers outlive whoever started them.
        "LiveRestoreEnabled": true,
        "Debug": false,
        "ExperimentalBuild": false,
        "Isolation": "",
        "Labels": [],
        "GenericResources": null,
        "Swarm": {
            "NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": false, "Error": "",
            "RemoteManagers": null,
        },
        "ClientInfo": {
            "Version": view.version, "Debug": false, "Context": "default", "Plugins": [], "Warnings": [],
        },
    })
}

#[cfg(test)]
#[test]
fn for_people_and_programs() {
    use engine::request::view::LimitsView;

    let view = InfoView {
        containers_running: 2,
        containers_stopped: 1,
        images: 3,
        version: "0.1.0".to_owned(),
        storage_driver: "overlay".to_owned(),
        backing_filesystem: "ext4".to_owned(),
        cgroup_version: "hybrid".to_owned(),
        limits: LimitsView { memory: true, cpu: true, ..LimitsView::default() },
        security_options: vec!["seccomp".to_owned(), "userns".to_owned()],
        kernel: "6.18.0".to_owned(),
        operating_system: "Debian GNU/Linux 12 (bookworm)".to_owned(),
        architecture: "x86_64".to_owned(),
        cpus: 2,
        memory_bytes: 8 << 30,
        name: "host".to_owned(),
        root: "/var/lib/coracle".to_owned(),
        run_root: "/run/coracle".to_owned(),
        warnings: vec!["no swap limit".to_owned()],
        ..InfoView::default()
    };
    insta::assert_snapshot!("info", info(&view, &Format::Text).unwrap());
    insta::assert_snapshot!("info_json", info(&view, &Format::Json).unwrap());
}
