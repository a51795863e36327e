//! `rm`: deletes containers.

use std::os::fd::AsFd;

use network::{Fabric, State};
use supervisor::Removal;
use sys::Dir;

use super::find::{Container, Life, find};
use super::policy::{give_up, note_stop};
use super::record::ContainerRecord;
use super::start::to_be_started;
use super::wait::until_gone;
use crate::error::{Error, Result};
use crate::paths::Engine;
use crate::removed::Removed;
use crate::request::RemoveRequest;

/// Removes each container; the outcomes are told one by one.
pub fn remove(engine: &Engine, request: &RemoveRequest) -> Vec<(String, Result<Removed>)> {
    request.containers.iter().map(|word| (word.clone(), remove_one(engine, word, request))).collect()
}

/// What becomes of the anonymous volumes of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Volumes {
    /// They go, unless another container has them too.
    Removed,
    Kept,
}

impl Volumes {
    /// As `--rm` has it.
    pub(crate) fn of_end(record: &ContainerRecord) -> Self {
        if record.request.auto_remove { Self::Removed } else { Self::Kept }
    }
}

fn remove_one(engine: &Engine, word: &str, request: &RemoveRequest) -> Result<Removed> {
    Removed::by(request.force, find(engine, word), |container| remove_found(engine, container, word, request))
}

pub(super) fn remove_found(
    engine: &Engine,
    mut container: Container,
    word: &str,
    request: &RemoveRequest,
) -> Result<()> {
    loop {
        if container.is_restarting() {
            if !request.force {
                return Err(Error::conflict(format!(
                    "cannot remove container `{word}`: container is restarting: stop the container before removing or force remove"
                ))
                .hint(format!("stop it first with `coracle stop {word}`, or use --force")));
            }
            container = match give_up(engine, container)? {
                Some(container) => container,
                None => return Ok(()),
            };
        }
        if container.is_running() {
            if !request.force && container.is_paused() {
                return Err(Error::conflict(format!(
                    "cannot remove container `{word}`: container is paused and must be unpaused first"
                ))
                .hint(format!("`coracle unpause {word}`, then stop it, or use --force")));
            }
            if !request.force {
                return Err(Error::conflict(format!(
                    "cannot remove container `{word}`: container is running"
                ))
                .hint(format!("stop it first with `coracle stop {word}`, or use --force")));
            }
            kill_and_wait(engine, &container)?;
        }
        // Who is starting it now has it; it runs then, or has failed.
        if let Some((container, _lock)) = to_be_started(engine, &container.record)? {
            clear_lost_run(engine, &container);
            let volumes = if request.volumes { Volumes::Removed } else { Volumes::of_end(&container.record) };
            delete(engine, &container.record, volumes)?;
            crate::events::of_container(engine, &container.record, "destroy", &[]);
            return Ok(());
        }
        container = find(engine, &container.record.id)?;
    }
}

/// Does the same where nobody else starts or removes the container just now.
pub(crate) fn clear_lost(engine: &Engine, record: &ContainerRecord) -> Result<()> {
    let lost = Container::load(engine, &record.id)?.is_some_and(|container| container.state() == Life::Lost);
    if lost && let Some((container, _lock)) = to_be_started(engine, record)? {
        clear_lost_run(engine, &container);
    }
    Ok(())
}

/// Gives back what a run had that ended with nobody left to clear it away: ids and cgroup.
pub(crate) fn clear_lost_run(engine: &Engine, container: &Container) {
    if container.state() != Life::Lost {
        return;
    }
    let status = container.status.as_ref();
    if let Some(group) = status.and_then(|status| super::exec::open_group(status.cgroup.as_deref())) {
        // Where the pid namespace was shared, others may live on in it.
        let _ = group.kill(rustix::process::Signal::KILL);
        let _ = group.destroy();
    }
    // What stays is found by the audit.
    let _ = super::idrange::release(engine, &container.record.id);
    leave_networks(engine, &container.record.id);
}

/// Takes back what a start that failed may have left, when not even its guardian could.
pub(crate) fn clear_failed_start(engine: &Engine, record: &ContainerRecord) {
    // Waits for a guardian that clears away itself. Whoever starts it meanwhile has it.
    let Ok(Some((_, _lock))) = to_be_started(engine, record) else { return };
    leave_networks(engine, &record.id);
    let _ = super::idrange::release(engine, &record.id);
    if record.request.auto_remove {
        let _ = delete(engine, record, Volumes::Removed);
    }
}

/// Gives back addresses, names and ports.
pub(crate) fn leave_networks(engine: &Engine, id: &str) {
    let state = State::new(engine.run_root());
    let (Ok(endpoints), Ok(ports)) = (state.endpoints_of(id), state.ports_of(id)) else { return };
    if !endpoints.is_empty() || !ports.is_empty() {
        let _ = Fabric::new(engine.run_root()).disconnect(&endpoints, &ports);
    }
    let _ = state.release_all(id);
}

fn kill_and_wait(engine: &Engine, container: &Container) -> Result<()> {
    if let Some(pidfd) = container.status.as_ref().and_then(|status| status.open_process()) {
        note_stop(engine, &container.record)?;
        match sys::process::signal(pidfd.as_fd(), libc::SIGKILL) {
            Err(error) if error.errno() != Some(rustix::io::Errno::SRCH) => return Err(error.into()),
            _ => super::pause::thaw(container),
        }
        super::kill::tell(engine, &container.record, libc::SIGKILL);
        until_gone(container, Some(&pidfd), None)?;
    }
    Ok(())
}

/// What makes up a container on disk, in the order of deletion: the record goes before the name, so that a
/// name never points to half a container; the status goes last.
pub(crate) fn removals(engine: &Engine, record: &ContainerRecord, volumes: Volumes) -> Vec<Removal> {
    let mut removals = vec![Removal::Tree(crate::image::snapshot_dir(engine, &record.id))];
    if volumes == Volumes::Removed {
        // Before the record: what a kill interrupts can be told again.
        removals.extend(record.anonymous_volumes().into_iter().map(|name| Removal::Volume {
            root: engine.root.clone(),
            name,
            container: record.id.clone(),
        }));
    }
    removals.push(Removal::Tree(engine.container_dir(&record.id)));
    let names = [Some(&record.name), record.other_name.as_ref()];
    removals.extend(names.into_iter().flatten().filter(|name| !name.is_empty()).map(|name| Removal::Name {
        directory: engine.names(),
        name: name.clone(),
        container: record.id.clone(),
        renamed: engine.run_dir(&record.id).join(supervisor::RENAMED),
    }));
    let level = record.confinement.as_ref().and_then(|labels| labels.claimed.clone());
    removals.extend(level.map(|name| Removal::Claim {
        directory: engine.levels(),
        name,
        container: record.id.clone(),
    }));
    removals.push(Removal::Tree(engine.run_dir(&record.id)));
    removals
}

/// Deletes a container that does not run.
pub(crate) fn delete(engine: &Engine, record: &ContainerRecord, volumes: Volumes) -> Result<()> {
    for removal in removals(engine, record, volumes) {
        match removal {
            Removal::Tree(path) => remove_tree(&path)?,
            Removal::Volume { name, .. } => {
                crate::volume::open(engine)?.remove_with(&name, &engine.containers(), &record.id)?;
            }
            Removal::Name { name, .. } => {
                store::release(engine.open_names()?, &name, &record.id, store::Durability::Volatile)?;
            }
            Removal::Claim { directory, name, .. } => {
                store::release(Dir::open(directory)?, &name, &record.id, store::Durability::Volatile)?;
            }
        }
    }
    // Nobody else keeps the layers of an image that was removed by force.
    if record.image_id.parse().is_ok_and(|id| crate::image::is_gone(engine, &id)) {
        crate::image::open(engine)?.collect_unneeded()?;
    }
    Ok(())
}

pub(crate) fn remove_tree(path: &std::path::Path) -> Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let parent = match Dir::open(parent) {
        Err(error) if error.is_not_found() => return Ok(()),
        other => other?,
    };
    match parent.remove_tree(std::path::Path::new(name)) {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}
