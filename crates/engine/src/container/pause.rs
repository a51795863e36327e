//! `pause` and `unpause`: all processes of a container stand still, and run on. The kernel alone keeps the state.

use super::exec::open_group;
use super::find::{Container, find};
use crate::error::{Doing, Error, Result};
use crate::paths::Engine;
use crate::request::PauseRequest;

/// Pauses each container; returns when its processes stand still.
pub fn pause(engine: &Engine, request: &PauseRequest) -> Vec<(String, Result<()>)> {
    each(request, |word| {
        let container = running(engine, word)?;
        if container.is_paused() {
            return Err(Error::conflict(format!("Container {} is already paused", container.record.id))
                .hint(format!("let it run on with `coracle unpause {word}`")));
        }
        act(&container, "pause", cgroup::Group::freeze)?;
        crate::events::of_container(engine, &container.record, "pause", &[]);
        Ok(())
    })
}

/// Lets each container run on.
pub fn unpause(engine: &Engine, request: &PauseRequest) -> Vec<(String, Result<()>)> {
    each(request, |word| {
        let container = running(engine, word)?;
        if !container.is_paused() {
            return Err(Error::conflict(format!("Container {} is not paused", container.record.id)));
        }
        act(&container, "unpause", cgroup::Group::thaw)?;
        crate::events::of_container(engine, &container.record, "unpause", &[]);
        Ok(())
    })
}

/// Lets a container run on that has just been signalled: a frozen process does nothing of what it is told, and
/// by v1 it cannot even die.
pub(crate) fn thaw(container: &Container) {
    if container.is_paused()
        && let Some(group) = group(container)
    {
        // One that has ended meanwhile is what was asked for.
        let _ = group.thaw();
    }
}

fn each(request: &PauseRequest, act: impl Fn(&str) -> Result<()>) -> Vec<(String, Result<()>)> {
    request.containers.iter().map(|word| (word.clone(), act(word))).collect()
}

fn running(engine: &Engine, word: &str) -> Result<Container> {
    let container = find(engine, word)?;
    match container.is_running() || container.is_restarting() {
        // Or an error that says that it is about to run.
        true => container.running().map(drop).map(|()| container),
        false => Err(not_running(&container)),
    }
}

/// In Docker's words.
pub(crate) fn not_running(container: &Container) -> Error {
    Error::conflict(format!("Container {} is not running", container.record.id))
        .hint(format!("start it with `coracle start {}`", container.record.name))
}

fn act(
    container: &Container,
    verb: &'static str,
    change: fn(&cgroup::Group) -> cgroup::Result<()>,
) -> Result<()> {
    let name = &container.record.name;
    let Some(group) = group(container) else {
        return Err(Error::unsupported(format!("cannot {verb} container `{name}`: it has no cgroup"))
            .hint("run as root with a writable /sys/fs/cgroup"));
    };
    match change(&group).doing(|| format!("cannot {verb} container `{name}`")) {
        // Its group went away under our hands.
        Err(_) if container.status.as_ref().is_none_or(|status| !status.is_alive()) => {
            Err(not_running(container))
        }
        other => other,
    }
}

fn group(container: &Container) -> Option<cgroup::Group> {
    open_group(container.status.as_ref()?.cgroup.as_deref())
}
