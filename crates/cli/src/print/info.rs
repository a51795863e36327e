//! What the engine holds and what it found on the machine.

use std::fmt::Write;
use std::iter::once;

use engine::request::view::InfoView;
use serde_json::json;

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

fn object(view: &InfoView) -> serde_json::Value {
    json!({
        "Containers": containers(view),
        "ContainersRunning": view.containers_running,
        "ContainersPaused": view.containers_paused,
        "ContainersStopped": view.containers_stopped,
        "Images": view.images,
        "ServerVersion": view.version,
        "Driver": view.storage_driver,
        "DriverStatus": [["Backing Filesystem", view.backing_filesystem]],
        "LoggingDriver": "local",
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": view.cgroup_version,
        "SecurityOptions": view.security_options,
        "KernelVersion": view.kernel,
        "OperatingSystem": view.operating_system,
        "OSType": "linux",
        "Architecture": view.architecture,
        "NCPU": view.cpus,
        "MemTotal": view.memory_bytes,
        "Name": view.name,
        "DockerRootDir": view.root,
        "RunRootDir": view.run_root,
        "Warnings": view.warnings,
    })
}

#[cfg(test)]
#[test]
fn for_people_and_programs() {
    let view = InfoView {
        containers_running: 2,
        containers_stopped: 1,
        images: 3,
        version: "0.1.0".to_owned(),
        storage_driver: "overlay".to_owned(),
        backing_filesystem: "ext4".to_owned(),
        cgroup_version: "hybrid".to_owned(),
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
