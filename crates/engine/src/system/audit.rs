//! `system audit`: proves from kernel and disk that nothing is orphaned, and frees what is.
//!
//! A creation holds the store's lock (shared) until its record stands, a load while it commits; each look
//! here holds it exclusively, so neither is taken for an orphan. Removals and ends need no lock: what
//! they leave for a moment is gone when we look a second time.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use image::Images;
use sys::Dir;

use crate::container::{all_containers, lease_owner};
use crate::error::Result;
use crate::network::NetworkOrphan;
use crate::paths::Engine;
use crate::request::AuditRequest;
use crate::request::view::AuditRow;

/// How long something that is on its way out may take.
const MOMENT: Duration = Duration::from_millis(200);

/// What the audit compares with.
struct Known {
    /// Ids of all containers on disk.
    containers: BTreeSet<String>,
    running: BTreeSet<String>,
    /// With those of renames that were killed.
    names: BTreeSet<String>,
    /// Cgroups of containers that do not run.
    idle_groups: Vec<String>,
}

/// What belongs to nobody, and what frees it.
struct Orphan {
    kind: &'static str,
    object: String,
    reason: String,
    remedy: Remedy,
}

enum Remedy {
    /// Nothing that we may do: the user looks at it.
    None,
    Tree(PathBuf),
    Name {
        owner: String,
    },
    Level {
        owner: String,
    },
    Lease {
        owner: String,
    },
    Network(NetworkOrphan),
    Group,
    /// The image store clears it away with all others of its kind.
    Collect,
}

/// Lists everything that belongs to nobody; with `repair`, frees it.
pub fn audit(engine: &Engine, request: AuditRequest) -> Result<Vec<AuditRow>> {
    let mut orphans = look(engine)?;
    if !orphans.is_empty() {
        std::thread::sleep(MOMENT);
        let still = look(engine)?;
        orphans.retain(|orphan| still.iter().any(|o| o.kind == orphan.kind && o.object == orphan.object));
    }
    let collected = request.repair
        && orphans.iter().any(|orphan| matches!(orphan.remedy, Remedy::Collect))
        && crate::image::open(engine)?.collect().is_ok();
    let row = |orphan: Orphan| {
        let repaired = request.repair && (orphan.free(engine) || collected && orphan.is_collected());
        AuditRow { kind: orphan.kind.to_owned(), object: orphan.object, reason: orphan.reason, repaired }
    };
    Ok(orphans.into_iter().map(row).collect())
}

impl Orphan {
    fn new(kind: &'static str, object: impl Into<String>, reason: &str, remedy: Remedy) -> Self {
        Self { kind, object: object.into(), reason: reason.to_owned(), remedy }
    }

    fn is_collected(&self) -> bool {
        matches!(self.remedy, Remedy::Collect)
    }

    fn free(&self, engine: &Engine) -> bool {
        let release = |directory: Result<Dir>, owner: &str, durability| {
            directory.is_ok_and(|dir| store::release(&dir, &self.object, owner, durability).is_ok())
        };
        match &self.remedy {
            Remedy::None | Remedy::Collect => false,
            Remedy::Tree(path) => crate::container::remove_tree(path).is_ok(),
            Remedy::Name { owner } => release(engine.open_names(), owner, store::Durability::Synced),
            Remedy::Level { owner } => {
                release(Dir::open(engine.levels()).map_err(Into::into), owner, store::Durability::Synced)
            }
            Remedy::Lease { owner } => {
                release(Dir::open(engine.ids()).map_err(Into::into), owner, store::Durability::Volatile)
            }
            Remedy::Network(orphan) => orphan.free(engine).is_ok(),
            Remedy::Group => {
                let group = cgroup::Hierarchies::detect().and_then(|hierarchies| {
                    cgroup::Group::open(&hierarchies, &cgroup::CgroupPath::parse(&self.object)?)
                });
                group.is_ok_and(|group| group.destroy().is_ok())
            }
        }
    }
}

fn look(engine: &Engine) -> Result<Vec<Orphan>> {
    let images = match sys::fs::exists(engine.root.join("oci-layout")) {
        true => Some(crate::image::open(engine)?),
        false => None,
    };
    let alone = images.as_ref().map(Images::alone).transpose()?;
    let containers = all_containers(engine)?;
    // What it has claimed stays claimed until it is started again.
    let running = containers.iter().filter(|c| c.is_running() || c.is_restarting());
    let known = Known {
        containers: containers.iter().map(|c| c.record.id.clone()).collect(),
        running: running.map(|c| c.record.id.clone()).collect(),
        names: containers
            .iter()
            .flat_map(|c| [Some(&c.record.name), c.record.other_name.as_ref()])
            .flatten()
            .cloned()
            .collect(),
        idle_groups: containers.iter().filter(|c| !c.is_running()).map(|c| c.record.cgroup()).collect(),
    };
    let mut orphans = Vec::new();
    directories(engine, &known, &mut orphans)?;
    volumes(engine, &mut orphans)?;
    names(engine, &known, &mut orphans)?;
    levels(engine, &known, &mut orphans)?;
    leases(engine, &known, &mut orphans)?;
    networks(engine, &mut orphans)?;
    groups(&known, &mut orphans)?;
    mounts(engine, &mut orphans)?;
    if let Some(images) = &images {
        store(images, &mut orphans)?;
    }
    // Last and without the lock: it waits for processes that are about to end.
    drop(alone);
    processes(engine, &known, &mut orphans)?;
    Ok(orphans)
}

/// Directories of containers that are not there.
fn directories(engine: &Engine, known: &Known, orphans: &mut Vec<Orphan>) -> Result<()> {
    let places = [
        (engine.containers(), "no record: its creation was interrupted"),
        (engine.root.join("snapshots"), "no container owns this writable layer"),
        (engine.run_root.join("containers"), "no container owns this run directory"),
    ];
    for (place, reason) in places {
        for name in list(&place)?.into_iter().filter(|name| !known.containers.contains(name)) {
            let path = place.join(&name);
            orphans.push(Orphan::new("file", path.display().to_string(), reason, Remedy::Tree(path)));
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

/// What killed creations and removals have left. Volumes themselves are their owners' affair, used or not.
fn volumes(engine: &Engine, orphans: &mut Vec<Orphan>) -> Result<()> {
    if !sys::fs::exists(engine.root.join("volumes")) {
        return Ok(());
    }
    for path in crate::volume::open(engine)?.abandoned()? {
        let reason = "the volume was never made, or is being removed by nobody";
        orphans.push(Orphan::new("file", path.display().to_string(), reason, Remedy::Tree(path)));
    }
    Ok(())
}

fn names(engine: &Engine, known: &Known, orphans: &mut Vec<Orphan>) -> Result<()> {
    for claim in store::claims(engine.open_names()?)? {
        if !known.names.contains(&claim.name) || !known.containers.contains(&claim.owner) {
            let remedy = Remedy::Name { owner: claim.owner };
            orphans.push(Orphan::new("name", claim.name, "no container bears this name", remedy));
        }
    }
    Ok(())
}

/// SELinux levels of containers that are no more.
fn levels(engine: &Engine, known: &Known, orphans: &mut Vec<Orphan>) -> Result<()> {
    let levels = match Dir::open(engine.levels()) {
        Err(error) if error.is_not_found() => return Ok(()),
        other => other?,
    };
    for claim in store::claims(levels)?.into_iter().filter(|claim| !known.containers.contains(&claim.owner)) {
        let remedy = Remedy::Level { owner: claim.owner };
        orphans.push(Orphan::new("SELinux level", claim.name, "no container has it", remedy));
    }
    Ok(())
}

fn leases(engine: &Engine, known: &Known, orphans: &mut Vec<Orphan>) -> Result<()> {
    for claim in lease_owner(engine)?.into_iter().filter(|claim| !known.running.contains(&claim.owner)) {
        let remedy = Remedy::Lease { owner: claim.owner };
        orphans.push(Orphan::new("id range", claim.name, "its container does not run", remedy));
    }
    Ok(())
}

/// Addresses, names and ports of containers that do not run, and bridges of no network.
fn networks(engine: &Engine, orphans: &mut Vec<Orphan>) -> Result<()> {
    for orphan in crate::network::orphans(engine)? {
        let (kind, object, reason) = match &orphan {
            NetworkOrphan::Claim { what, owner } => {
                ("network", what.clone(), format!("container {owner} does not run"))
            }
            NetworkOrphan::Bridge { name } => ("bridge", name.clone(), "no network has it".to_owned()),
        };
        orphans.push(Orphan::new(kind, object, &reason, Remedy::Network(orphan)));
    }
    Ok(())
}

/// Groups of containers that do not run, wherever their parent is. Only containers of this engine are
/// judged: another engine with another root may share the parent.
fn groups(known: &Known, orphans: &mut Vec<Orphan>) -> Result<()> {
    let Ok(hierarchies) = cgroup::Hierarchies::detect() else { return Ok(()) };
    for path in &known.idle_groups {
        if cgroup::Group::open(&hierarchies, &cgroup::CgroupPath::parse(path)?).is_ok() {
            orphans.push(Orphan::new("cgroup", path, "its container does not run", Remedy::Group));
        }
    }
    Ok(())
}

/// What no image and no container needs in the image store, and what is damaged there.
fn store(images: &Images, orphans: &mut Vec<Orphan>) -> Result<()> {
    let found = images.look()?;
    let mut push = |kind, object: String, reason| {
        orphans.push(Orphan::new(kind, object, reason, Remedy::Collect));
    };
    found.layers.iter().for_each(|layer| push("layer", layer.to_string(), "no image needs it"));
    found.blobs.iter().for_each(|blob| push("blob", blob.to_string(), "no image names it"));
    found.workspaces.into_iter().for_each(|name| {
        push("file", format!("staging/{name}"), "who worked there is gone");
    });
    found.downloads.iter().for_each(|blob| {
        push("download", blob.to_string(), "nobody has come back for it in a week");
    });
    found.references.iter().for_each(|name| push("image name", name.to_string(), "its image is not there"));
    found.strangers.into_iter().for_each(|name| push("file", name, "a record that was not finished"));
    for text in found.broken {
        orphans.push(Orphan::new("image", text, "damaged: remove the image and load it again", Remedy::None));
    }
    Ok(())
}

/// Guardians and supervisors of our run root whose container does not run.
fn processes(engine: &Engine, known: &Known, orphans: &mut Vec<Orphan>) -> Result<()> {
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
            let reason = "it accompanies a container that does not run";
            orphans.push(Orphan::new("process", pid, reason, Remedy::None));
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
fn mounts(engine: &Engine, orphans: &mut Vec<Orphan>) -> Result<()> {
    let text = sys::fs::read_to_string("/proc/self/mountinfo")?;
    let below = |point: &str| {
        let point = Path::new(point);
        [&engine.root, &engine.run_root].iter().any(|root| point.starts_with(root) && point != root.as_path())
    };
    for point in text.lines().filter_map(|line| line.split(' ').nth(4)).filter(|point| below(point)) {
        let reason = "no mount of a container belongs into the host's namespace";
        orphans.push(Orphan::new("mount", point, reason, Remedy::None));
    }
    Ok(())
}
