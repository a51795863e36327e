//! `system audit`: proves from kernel and disk that nothing is orphaned, and frees what is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sys::Dir;

use crate::container::{all_containers, lease_owner};
use crate::error::Result;
use crate::paths::Engine;
use crate::request::AuditRequest;
use crate::request::view::AuditRow;

/// What the audit compares with.
struct Known {
    /// Ids of all containers on disk.
    containers: BTreeSet<String>,
    running: BTreeSet<String>,
    names: BTreeSet<String>,
}

/// Lists everything that belongs to nobody; with `repair`, frees it.
pub fn audit(engine: &Engine, request: AuditRequest) -> Result<Vec<AuditRow>> {
    let containers = all_containers(engine)?;
    let known = Known {
        containers: containers.iter().map(|c| c.record.id.clone()).collect(),
        running: containers.iter().filter(|c| c.is_running()).map(|c| c.record.id.clone()).collect(),
        names: containers.iter().map(|c| c.record.name.clone()).collect(),
    };
    let mut rows = Vec::new();
    directories(engine, &known, request, &mut rows)?;
    names(engine, &known, request, &mut rows)?;
    leases(engine, &known, request, &mut rows)?;
    groups(&known, request, &mut rows)?;
    processes(engine, &known, &mut rows)?;
    mounts(engine, &mut rows)?;
    Ok(rows)
}

fn orphan(kind: &str, object: impl Into<String>, reason: &str, repaired: bool) -> AuditRow {
    AuditRow { kind: kind.to_owned(), object: object.into(), reason: reason.to_owned(), repaired }
}

/// Directories of containers that are not there.
fn directories(
    engine: &Engine,
    known: &Known,
    request: AuditRequest,
    rows: &mut Vec<AuditRow>,
) -> Result<()> {
    let places = [
        (engine.containers(), "no record: its creation was interrupted"),
        (engine.root.join("snapshots"), "no container owns this writable layer"),
        (engine.run_root.join("containers"), "no container owns this run directory"),
    ];
    for (place, reason) in places {
        for name in list(&place)? {
            if known.containers.contains(&name) {
                continue;
            }
            let path = place.join(&name);
            let repaired = request.repair && crate::container::remove_tree(&path).is_ok();
            rows.push(orphan("file", path.display().to_string(), reason, repaired));
        }
    }
    Ok(())
}

fn list(place: &Path) -> Result<Vec<String>> {
    let directory = match Dir::open(place) {
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        other => other?,
    };
    Ok(directory.list(".")?.into_iter().filter_map(|entry| entry.name.into_string().ok()).collect())
}

fn names(engine: &Engine, known: &Known, request: AuditRequest, rows: &mut Vec<AuditRow>) -> Result<()> {
    let directory = engine.open_names()?;
    for claim in store::claims(&directory)? {
        if known.names.contains(&claim.name) && known.containers.contains(&claim.owner) {
            continue;
        }
        let repaired = request.repair
            && store::release(&directory, &claim.name, &claim.owner, store::Durability::Synced).is_ok();
        rows.push(orphan("file", format!("name {}", claim.name), "no container bears this name", repaired));
    }
    Ok(())
}

fn leases(engine: &Engine, known: &Known, request: AuditRequest, rows: &mut Vec<AuditRow>) -> Result<()> {
    for claim in lease_owner(engine)? {
        if known.running.contains(&claim.owner) {
            continue;
        }
        let repaired = request.repair
            && store::release(
                Dir::open(engine.ids())?,
                &claim.name,
                &claim.owner,
                store::Durability::Volatile,
            )
            .is_ok();
        rows.push(orphan("id range", claim.name, "its container does not run", repaired));
    }
    Ok(())
}

/// Groups below our parent that have no running container. Only ids that this engine knows are judged:
/// another engine with another root shares the parent.
fn groups(known: &Known, request: AuditRequest, rows: &mut Vec<AuditRow>) -> Result<()> {
    let Ok(hierarchies) = cgroup::Hierarchies::detect() else { return Ok(()) };
    let parent = cgroup::CgroupPath::parse("/coracle")?;
    for (name, _) in cgroup::Group::children(&hierarchies, &parent)? {
        if !known.containers.contains(&name) || known.running.contains(&name) {
            continue;
        }
        let group = cgroup::Group::open(&hierarchies, &parent.join(&name)?);
        let repaired = request.repair && group.is_ok_and(|group| group.destroy().is_ok());
        rows.push(orphan("cgroup", format!("/coracle/{name}"), "its container does not run", repaired));
    }
    Ok(())
}

/// Guardians and supervisors of our run root whose container does not run.
fn processes(engine: &Engine, known: &Known, rows: &mut Vec<AuditRow>) -> Result<()> {
    let ours = engine.run_root.join("containers");
    for pid in list(Path::new("/proc"))?.into_iter().filter(|name| name.bytes().all(|b| b.is_ascii_digit())) {
        let Ok(cmdline) = sys::fs::read(format!("/proc/{pid}/cmdline")) else { continue };
        let mut words = cmdline.split(|byte| *byte == 0);
        let (Some(_), Some(verb), Some(place)) = (words.next(), words.next(), words.next()) else { continue };
        if verb != supervisor::GUARDIAN_ARGUMENT.to_bytes() {
            continue;
        }
        let place = PathBuf::from(String::from_utf8_lossy(place).into_owned());
        let id = place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if place.starts_with(&ours) && !known.running.contains(&id) && !ends_soon(engine, &pid, &id)? {
            rows.push(orphan("process", pid, "it accompanies a container that does not run", false));
        }
    }
    Ok(())
}

/// Whether a process only was on its way: out, after its container's end, or in, before its start.
fn ends_soon(engine: &Engine, pid: &str, id: &str) -> Result<bool> {
    let Ok(pidfd) = sys::process::open_pidfd(pid.parse().unwrap_or(0)) else { return Ok(true) };
    let patience = rustix::event::Timespec { tv_sec: 2, tv_nsec: 0 };
    let mut fds = [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)];
    if matches!(rustix::event::poll(&mut fds, Some(&patience)), Ok(count) if count > 0) {
        return Ok(true);
    }
    Ok(all_containers(engine)?.iter().any(|container| container.record.id == id && container.is_running()))
}

/// No mount of a container may ever be seen in the host's namespace.
fn mounts(engine: &Engine, rows: &mut Vec<AuditRow>) -> Result<()> {
    let text = sys::fs::read_to_string("/proc/self/mountinfo")?;
    let below = |point: &str| {
        let point = Path::new(point);
        [&engine.root, &engine.run_root].iter().any(|root| point.starts_with(root) && point != root.as_path())
    };
    for point in text.lines().filter_map(|line| line.split(' ').nth(4)).filter(|point| below(point)) {
        rows.push(orphan("mount", point, "no mount of a container belongs into the host's namespace", false));
    }
    Ok(())
}
