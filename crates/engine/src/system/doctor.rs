//! `doctor`: what this machine gives to containers and what it lacks, each with a remedy. A start does not
//! ask beforehand; one that fails without a remedy of its own does.

use std::os::fd::AsFd;
use std::path::Path;

use oci::class::Class;
use sys::credentials::{capability_number, effective_capabilities};
use sys::mount;

use crate::error::Error;
use crate::paths::{Engine, EngineConfig};
use crate::request::view::{DoctorRow, Verdict};

/// Looks at everything a start depends on. Needs no engine: whoever may not open one is told why.
pub fn doctor(config: &EngineConfig) -> Vec<DoctorRow> {
    vec![
        kernel(),
        root_rights(),
        resource_capability(),
        overlay(),
        user_namespaces(),
        store_idmap(&config.root),
        cgroups(),
        seccomp(),
        security_module(APPARMOR, crate::confinement::apparmor::examine()),
        security_module(SELINUX, crate::confinement::selinux::examine(&config.root)),
        run_root(&config.run_root),
        networks(&config.run_root),
    ]
}

/// What `info` repeats of it.
pub(super) fn warnings(engine: &Engine) -> Vec<String> {
    lacking(engine).map(|row| format!("{}: {}", row.check, row.found)).collect()
}

fn lacking(engine: &Engine) -> impl Iterator<Item = DoctorRow> {
    doctor(&engine.config()).into_iter().filter(|row| row.verdict != Verdict::Fine)
}

/// Adds to a start that failed what the machine lacks, unless the error itself says what to do.
pub(crate) fn explain(engine: &Engine, error: Error) -> Error {
    // These never keep a container from starting.
    let matters =
        |row: &DoctorRow| !matches!(row.check.as_str(), LIMITS | RUN_ROOT | NETWORKS | APPARMOR | SELINUX);
    if error.remedy().is_some() || error.code().is_some_and(|code| code != 125) {
        return error;
    }
    let found = lacking(engine).filter(matters).max_by_key(|row| row.verdict == Verdict::Broken);
    match found {
        Some(DoctorRow { check, found, remedy: Some(remedy), .. }) => {
            error.hint(format!("{check}: {found}; {remedy}"))
        }
        _ => error,
    }
}

const LIMITS: &str = "limits";
const RUN_ROOT: &str = "run root";
const NETWORKS: &str = "networks";
const APPARMOR: &str = "AppArmor";
const SELINUX: &str = "SELinux";

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
    let (verdict, found) = match (has_admin(), is_initial_user_namespace()) {
        (true, true) => (Verdict::Fine, "CAP_SYS_ADMIN"),
        (true, false) => (Verdict::Broken, "CAP_SYS_ADMIN in a user namespace only"),
        (false, _) => (Verdict::Broken, "no CAP_SYS_ADMIN"),
    };
    row("privilege", verdict, found, Some(NEEDS_ROOT))
}

/// What somebody without privilege is told.
pub(crate) const NEEDS_ROOT: &str = "run as root of the machine: there is no rootless mode yet";

/// Adds to what the kernel did not permit that it needs root, where the caller has not its rights.
pub(crate) fn explain_denied(error: Error) -> Error {
    let denied = error.class() == Class::Denied && error.remedy().is_none() && !has_admin();
    if denied { error.hint(NEEDS_ROOT) } else { error }
}

pub(crate) fn has_admin() -> bool {
    let admin = capability_number("CAP_SYS_ADMIN").unwrap_or(21);
    effective_capabilities().is_ok_and(|set| set & (1 << admin) != 0)
}

/// Whether ids are what they are to the machine: in the first user namespace all are mapped to themselves
/// (user_namespaces(7)).
pub fn is_initial_user_namespace() -> bool {
    sys::fs::read_to_string("/proc/self/uid_map")
        .is_ok_and(|map| map.split_whitespace().eq(["0", "0", "4294967295"]))
}

fn resource_capability() -> DoctorRow {
    let number = capability_number("CAP_SYS_RESOURCE").unwrap_or(24);
    let has = effective_capabilities().is_ok_and(|set| set & (1 << number) != 0);
    let (verdict, found) = if has {
        (Verdict::Fine, "CAP_SYS_RESOURCE")
    } else {
        (Verdict::Lacking, "no CAP_SYS_RESOURCE: hard limits cannot be raised, OOM scores not lowered")
    };
    row(LIMITS, verdict, found, Some("grant CAP_SYS_RESOURCE, or ask for lower limits"))
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
fn store_idmap(root: &Path) -> DoctorRow {
    const CHECK: &str = "id-mapped layers";
    if !(has_admin() && is_initial_user_namespace()) {
        return row(CHECK, Verdict::Lacking, "could not be tried", Some("ask again as root"));
    }
    let map = [oci::runtime::IdMapping { container_id: 0, host_id: 0x7000_0000, size: 65_536 }];
    let outcome = runtime::user_namespace(&map, &map).and_then(|namespace| {
        let tree = mount::clone_host_tree(existing(root), false).map_err(runtime::Error::from)?;
        let change = mount::Change { idmap: Some(namespace.as_fd()), ..mount::Change::default() };
        mount::set_attributes(tree.as_fd(), change)
            .map_err(|error| sys::Error::new("cannot id-map the store", error).into())
    });
    match outcome {
        Ok(()) => row(CHECK, Verdict::Fine, "available", None),
        Err(error) => {
            let remedy = "move the root to ext4, xfs or btrfs with --root, or use --userns=host";
            row(CHECK, Verdict::Lacking, error.to_string(), Some(remedy))
        }
    }
}

/// The nearest directory that is there: it tells the file system of what will be made.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|path| sys::fs::exists(path)).unwrap_or(path)
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

/// A kernel without one lacks nothing that a container needs.
fn security_module(name: &str, found: Result<&'static str, (&'static str, String)>) -> DoctorRow {
    match found {
        Ok(found) => row(name, Verdict::Fine, found, None),
        Err((found, remedy)) => row(name, Verdict::Lacking, found, Some(&remedy)),
    }
}

/// What is in the way of packets: the first of all faults, with its remedy.
fn networks(run_root: &Path) -> DoctorRow {
    let faults = match network::Fabric::new(run_root).faults() {
        Ok(faults) => faults,
        Err(error) => {
            let remedy =
                "the kernel needs nf_tables, bridges and veth pairs; without them use --network=host or none";
            return row(NETWORKS, Verdict::Lacking, error.to_string(), Some(remedy));
        }
    };
    let found: Vec<&str> = faults.iter().map(|fault| fault.what.as_str()).collect();
    let remedies: Vec<&str> = faults.iter().filter_map(|fault| fault.remedy.as_deref()).collect();
    match faults.is_empty() {
        true => row(NETWORKS, Verdict::Fine, "as they should be", None),
        false => row(NETWORKS, Verdict::Lacking, found.join("; "), Some(&remedies.join("; "))),
    }
}

fn run_root(path: &Path) -> DoctorRow {
    const TMPFS_MAGIC: i64 = 0x0102_1994;
    let tmpfs = rustix::fs::statfs(existing(path)).is_ok_and(|stat| stat.f_type == TMPFS_MAGIC);
    let (verdict, found) = if tmpfs { (Verdict::Fine, "tmpfs") } else { (Verdict::Lacking, "not on tmpfs") };
    row(
        RUN_ROOT,
        verdict,
        found,
        Some("put it on tmpfs (/run) with --run-root: it is faster and dies with the boot"),
    )
}
