//! `doctor`: what this machine gives to containers and what it lacks, each with a remedy.

use std::os::fd::AsFd;

use sys::credentials::{capability_number, effective_capabilities};
use sys::mount;

use crate::paths::Engine;
use crate::request::view::{DoctorRow, Verdict};

/// Looks at everything a start depends on.
pub fn doctor(engine: &Engine) -> Vec<DoctorRow> {
    vec![
        kernel(),
        root_rights(),
        resource_capability(),
        overlay(),
        user_namespaces(),
        store_idmap(engine),
        cgroups(),
        seccomp(),
        run_root(engine),
    ]
}

/// What `info` repeats of it.
pub(super) fn warnings(engine: &Engine) -> Vec<String> {
    doctor(engine)
        .into_iter()
        .filter(|row| row.verdict != Verdict::Fine)
        .map(|row| format!("{}: {}", row.check, row.found))
        .collect()
}

fn row(check: &str, verdict: Verdict, found: impl Into<String>, remedy: Option<&str>) -> DoctorRow {
    let remedy = remedy.filter(|_| verdict != Verdict::Fine).map(str::to_owned);
    DoctorRow { check: check.to_owned(), verdict, found: found.into(), remedy }
}

fn kernel() -> DoctorRow {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy().into_owned();
    let numbers: Vec<u32> = release.split(['.', '-']).map_while(|part| part.parse().ok()).collect();
    let enough = matches!(numbers.as_slice(), [major, minor, ..] if (*major, *minor) >= (5, 19));
    let verdict = if enough { Verdict::Fine } else { Verdict::Lacking };
    row(
        "kernel",
        verdict,
        release,
        Some("5.19 or newer is needed for user namespaces by default; use --userns=host"),
    )
}

fn root_rights() -> DoctorRow {
    let admin = capability_number("CAP_SYS_ADMIN").unwrap_or(21);
    let has = effective_capabilities().is_ok_and(|set| set & (1 << admin) != 0);
    let (verdict, found) =
        if has { (Verdict::Fine, "CAP_SYS_ADMIN") } else { (Verdict::Broken, "no CAP_SYS_ADMIN") };
    row("privilege", verdict, found, Some("run as root"))
}

fn resource_capability() -> DoctorRow {
    let number = capability_number("CAP_SYS_RESOURCE").unwrap_or(24);
    let has = effective_capabilities().is_ok_and(|set| set & (1 << number) != 0);
    let (verdict, found) = if has {
        (Verdict::Fine, "CAP_SYS_RESOURCE")
    } else {
        (Verdict::Lacking, "no CAP_SYS_RESOURCE: hard limits cannot be raised, OOM scores not lowered")
    };
    row("limits", verdict, found, Some("grant CAP_SYS_RESOURCE, or ask for lower limits"))
}

fn overlay() -> DoctorRow {
    let known = sys::fs::read_to_string("/proc/filesystems")
        .is_ok_and(|text| text.lines().any(|l| l.ends_with("\toverlay")));
    let (verdict, found) =
        if known { (Verdict::Fine, "available") } else { (Verdict::Broken, "not in /proc/filesystems") };
    row("overlay", verdict, found, Some("load it with `modprobe overlay`"))
}

fn user_namespaces() -> DoctorRow {
    let limit = sys::fs::read_to_string("/proc/sys/user/max_user_namespaces")
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok())
        .unwrap_or(0);
    let verdict = if limit > 0 { Verdict::Fine } else { Verdict::Lacking };
    row(
        "user namespaces",
        verdict,
        format!("up to {limit}"),
        Some("sysctl user.max_user_namespaces=10000, or use --userns=host"),
    )
}

/// Tries what each start does: an id-mapped clone of the store.
fn store_idmap(engine: &Engine) -> DoctorRow {
    let map = [oci::runtime::IdMapping { container_id: 0, host_id: 0x7000_0000, size: 65_536 }];
    let outcome = runtime::user_namespace(&map, &map).and_then(|namespace| {
        let tree = mount::clone_host_tree(&engine.root, false).map_err(runtime::Error::from)?;
        let change = mount::Change { idmap: Some(namespace.as_fd()), ..mount::Change::default() };
        mount::set_attributes(tree.as_fd(), change)
            .map_err(|error| sys::Error::new("cannot id-map the store", error).into())
    });
    match outcome {
        Ok(()) => row("id-mapped layers", Verdict::Fine, "available", None),
        Err(error) => {
            let remedy = "move the root to ext4, xfs or btrfs with --root, or use --userns=host";
            row("id-mapped layers", Verdict::Lacking, error.to_string(), Some(remedy))
        }
    }
}

fn cgroups() -> DoctorRow {
    let version = super::info::cgroup_version();
    let verdict = if version == "none" { Verdict::Lacking } else { Verdict::Fine };
    row(
        "cgroups",
        verdict,
        version,
        Some("mount cgroup2 on /sys/fs/cgroup; without it limits are not in force"),
    )
}

fn seccomp() -> DoctorRow {
    let known = sys::fs::exists("/proc/sys/kernel/seccomp/actions_avail");
    let (verdict, found) =
        if known { (Verdict::Fine, "available") } else { (Verdict::Lacking, "not in this kernel") };
    row("seccomp", verdict, found, Some("use a kernel with CONFIG_SECCOMP_FILTER"))
}

fn run_root(engine: &Engine) -> DoctorRow {
    const TMPFS_MAGIC: i64 = 0x0102_1994;
    let tmpfs = rustix::fs::statfs(&engine.run_root).is_ok_and(|stat| stat.f_type == TMPFS_MAGIC);
    let (verdict, found) = if tmpfs { (Verdict::Fine, "tmpfs") } else { (Verdict::Lacking, "not on tmpfs") };
    row(
        "run root",
        verdict,
        found,
        Some("put it on tmpfs (/run) with --run-root: it is faster and dies with the boot"),
    )
}
