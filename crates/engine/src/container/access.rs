//! The files of a container as a process inside would see them, for verbs that read and write them from outside.
//!
//! Of one that runs they are seen through its own mounts, with volumes and binds, by the descriptor of its root:
//! whatever it swaps meanwhile, no path leads out of there. One that does not run is put together in a mount namespace of a thread of
//! ours, which ends with the verb. Nothing of the container is run or loaded (CVE-2019-14271).

use std::os::fd::AsFd;
use std::path::Path;

use image::Ids;
use oci::rootfs::Overlay;
use sys::Dir;
use sys::mount::{self, Attr, Change};

use super::export;
use super::find::{Container, find};
use super::placement::Placed;
use super::record::ContainerRecord;
use super::start::to_be_started;
use crate::error::{Doing, Error, Result};
use crate::paths::Engine;

/// What a verb does with the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Read,
    Write,
}

/// Calls with the root of a container, and how its ids appear there. The caller must have no threads of its own.
pub(crate) fn with_root<T: Send>(
    engine: &Engine,
    container: Container,
    purpose: Purpose,
    act: impl FnOnce(&Dir, &Ids) -> Result<T> + Send,
) -> Result<T> {
    let mut container = container;
    loop {
        if container.is_running() {
            return in_running(&container, purpose, act);
        }
        // Nobody starts or removes it meanwhile.
        if let Some((container, _lock)) = to_be_started(engine, &container.record)? {
            return in_stopped(engine, &container.record, purpose, act);
        }
        // It was started, or is about to be.
        std::thread::sleep(std::time::Duration::from_millis(5));
        container = find(engine, &container.record.id)?;
    }
}

fn in_running<T: Send>(
    container: &Container,
    purpose: Purpose,
    act: impl FnOnce(&Dir, &Ids) -> Result<T> + Send,
) -> Result<T> {
    let status = container.running()?;
    let read = |file: &str| sys::fs::read_to_string(format!("/proc/{}/{file}", status.pid));
    let maps = (read("uid_map")?, read("gid_map")?);
    let root = Dir::open(format!("/proc/{}/root", status.pid))?;
    if !status.is_alive() {
        return Err(Error::conflict(format!("container `{}` has just ended", container.record.name)));
    }
    let root = Dir::from_fd(root.into(), "/");
    let ids = Ids::parse(&maps.0, &maps.1)
        .ok_or_else(|| Error::new(oci::class::Class::Internal, "the kernel's map of ids does not read"))?;
    on_thread(|| {
        if purpose == Purpose::Write {
            // What is made belongs to somebody whom the file system knows: root inside.
            let (uid, gid) = ids.root();
            sys::process::keep_capabilities_across_fsuid()?;
            sys::process::set_fs_ids(uid, gid)?;
        }
        act(&root, &ids)
    })
}

fn in_stopped<T: Send>(
    engine: &Engine,
    record: &ContainerRecord,
    purpose: Purpose,
    act: impl FnOnce(&Dir, &Ids) -> Result<T> + Send,
) -> Result<T> {
    on_thread(|| {
        let root = match purpose {
            Purpose::Read => export::view(record)?,
            Purpose::Write => writable(record)?,
        };
        let root = put_together(engine, record, root, purpose)
            .doing(|| format!("cannot put the files of container `{}` together", record.name))?;
        act(&root, &Ids::SAME)
    })
}

/// Runs on a thread of its own, whose mount namespace and ids are its own too.
fn on_thread<T: Send>(act: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|threads| threads.spawn(act).join().expect("it does not panic"))
}

/// Mounts what a container writes over its layers.
fn writable(record: &ContainerRecord) -> Result<Dir> {
    let overlay = crate::image::overlay(record)?;
    // What is copied should survive a power cut, whatever becomes of the container.
    let upper = overlay.upper.clone().map(|upper| oci::rootfs::Upper { volatile: false, ..upper });
    let mount = volume::stack(&Overlay { upper, ..overlay.clone() })?;
    Ok(Dir::from_fd(mount, "/"))
}

/// Attaches root and volumes in a mount namespace of this thread.
fn put_together(engine: &Engine, record: &ContainerRecord, root: Dir, purpose: Purpose) -> Result<Dir> {
    let placed: Vec<Placed> = record
        .placed()
        .into_iter()
        .filter(|mount| matches!(mount, Placed::Volume(_) | Placed::Bind(_)))
        .collect();
    if placed.is_empty() {
        return Ok(root);
    }
    // Opened before: overlayfs and clones know the caller's own namespace only.
    let sources = placed.iter().map(|mount| source(engine, mount)).collect::<Result<Vec<_>>>()?;
    sys::process::unshare(sys::process::NEWNS)?;
    mount::set_propagation_recursive(Path::new("/"), mount::PRIVATE)?;
    let at = crate::image::overlay(record)?.store.clone();
    let place = Dir::open(&at)?;
    mount::attach(root.as_fd(), place.as_fd()).map_err(|error| attach_error(Path::new("/"), error))?;
    let root = Dir::from_fd(Dir::open(&at)?.into(), "/");
    for (mount, source) in placed.iter().zip(sources) {
        let Some(source) = source else { continue };
        let target = mount.target();
        if purpose == Purpose::Write && !root.exists(target)? {
            make_target(&root, &source, target)?;
        }
        let target_fd = match root.open_path(target) {
            Err(error) if error.is_not_found() => continue,
            other => other?,
        };
        mount::attach(source.as_fd(), target_fd.as_fd()).map_err(|error| attach_error(target, error))?;
    }
    Ok(root)
}

fn attach_error(target: &Path, error: std::io::Error) -> Error {
    sys::Error::new(format!("cannot attach a mount at `{}`", target.display()), error).into()
}

/// Where something is to be mounted that no start has mounted yet.
fn make_target(root: &Dir, source: &std::os::fd::OwnedFd, target: &Path) -> Result<()> {
    let stat = rustix::fs::fstat(source).map_err(|errno| sys::Error::new("cannot look at a mount", errno))?;
    match rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() {
        true => drop(root.mkdir_all(target, 0o755)?),
        false => drop(root.create_file(target, 0o644)?),
    }
    Ok(())
}

/// Clones what a container would have mounted; `None` for what exists in memory alone.
fn source(engine: &Engine, placed: &Placed) -> Result<Option<std::os::fd::OwnedFd>> {
    let (tree, read_only) = match placed {
        Placed::Bind(bind) => (mount::clone_host_tree(&bind.source, true)?, bind.read_only),
        Placed::Volume(volume) => {
            let volumes = crate::volume::open(engine)?;
            let Some(data) = volumes.data(&volumes.get(&volume.name)?)? else { return Ok(None) };
            let part = match &volume.subpath {
                Some(subpath) => data.open_dir(subpath)?,
                None => data,
            };
            (mount::clone_fd(part.as_fd(), false)?, volume.read_only)
        }
        Placed::Tmpfs(_) | Placed::Image(_) => return Ok(None),
    };
    if read_only {
        let change = Change { set: Attr::MOUNT_ATTR_RDONLY.bits().into(), ..Change::default() };
        mount::set_attributes(tree.as_fd(), change)
            .map_err(|error| sys::Error::new("cannot make a mount read-only", error))?;
    }
    Ok(Some(tree))
}
