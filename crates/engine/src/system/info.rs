//! `version` and `info`.

use cgroup::{Controller, Hierarchies, Mode};

use crate::container::all_containers;
use crate::error::Result;
use crate::paths::Engine;
use crate::request::view::{InfoView, LimitsView, VersionView};

/// Returns the versions of engine and machine.
pub fn version() -> VersionView {
    let kernel = rustix::system::uname();
    VersionView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        os: "linux".to_owned(),
        // In the words of images and of Docker: `amd64`, `arm64`.
        architecture: oci::image::Platform::host().architecture,
        kernel: kernel.release().to_string_lossy().into_owned(),
        commit: option_env!("CORACLE_COMMIT").map(str::to_owned),
        runtime_spec: oci::runtime::SPEC_VERSION.to_owned(),
    }
}

/// Returns facts about engine and machine.
pub fn info(engine: &Engine) -> Result<InfoView> {
    let containers = all_containers(engine)?;
    let running = containers.iter().filter(|container| container.is_running()).count();
    let paused = containers.iter().filter(|container| container.is_paused()).count();
    let version = version();
    Ok(InfoView {
        // As in Docker, a paused one does not count as running here.
        containers_running: running - paused,
        containers_paused: paused,
        containers_stopped: containers.len() - running,
        images: crate::image::open(engine)?.image_ids()?.len(),
        version: version.version,
        storage_driver: "overlay".to_owned(),
        backing_filesystem: file_system_of(engine),
        cgroup_version: cgroup_version(),
        limits: limits(),
        security_options: security_options(),
        kernel: version.kernel,
        operating_system: os_release("PRETTY_NAME").unwrap_or_else(|| "Linux".to_owned()),
        os_version: os_release("VERSION_ID").unwrap_or_default(),
        architecture: std::env::consts::ARCH.to_owned(),
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
        memory_bytes: memory_bytes(),
        name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        id: id(engine),
        ipv4_forwarding: sys::fs::read_to_string("/proc/sys/net/ipv4/ip_forward")
            .is_ok_and(|text| text.trim() == "1"),
        root: engine.root.display().to_string(),
        run_root: engine.run_root.display().to_string(),
        warnings: super::doctor::warnings(engine),
    })
}

/// Names the file system of the root by its line in mountinfo with the longest mount point.
fn file_system_of(engine: &Engine) -> String {
    let text = sys::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let point = line.split(' ').nth(4)?;
            let kind = line.split(" - ").nth(1)?.split(' ').next()?;
            engine.root.starts_with(point).then_some((point.len(), kind))
        })
        .max_by_key(|(length, _)| *length)
        .map_or_else(|| "unknown".to_owned(), |(_, kind)| kind.to_owned())
}

pub(super) fn cgroup_version() -> String {
    match Hierarchies::detect().map(|hierarchies| hierarchies.mode()) {
        Ok(Mode::V2) => "2",
        Ok(Mode::V1) => "1",
        Ok(Mode::Hybrid) => "hybrid",
        _ => "none",
    }
    .to_owned()
}

/// In Docker's words and order.
fn security_options() -> Vec<String> {
    let apparmor = crate::confinement::apparmor::is_enabled().then_some("apparmor");
    let selinux = crate::confinement::selinux::is_enabled().then_some("selinux");
    let options = [apparmor, Some("seccomp"), selinux, Some("userns")];
    options.into_iter().flatten().map(str::to_owned).collect()
}

fn limits() -> LimitsView {
    let Ok(hierarchies) = Hierarchies::detect() else { return LimitsView::default() };
    let memory = hierarchies.offers(Controller::Memory);
    LimitsView {
        memory,
        swap: hierarchies.limits_swap(),
        cpu: hierarchies.offers(Controller::Cpu),
        cpuset: hierarchies.offers(Controller::Cpuset),
        pids: hierarchies.offers(Controller::Pids),
        oom_kill_disable: memory && hierarchies.mode() != Mode::V2,
    }
}

/// The machine's own id is not given away (machine-id(5)): it is hashed together with the place of the engine.
fn id(engine: &Engine) -> String {
    let machine = sys::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let hex = image::sha256(format!("{}:{}", machine.trim(), engine.root.display()).as_bytes()).hex();
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32]];
    parts.join("-")
}

fn os_release(name: &str) -> Option<String> {
    let text = sys::fs::read_to_string("/etc/os-release").ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim_matches('"').to_owned())
}

pub(crate) fn memory_bytes() -> u64 {
    let text = sys::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    text.lines()
        .find_map(|line| {
            line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
        })
        .map_or(0, |kibibytes| kibibytes * 1024)
}
