//! `start`: lets a created container run its program.

use oci::runtime::Status;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use store::Durability;
use sys::Context;

use super::config;
use super::delete::terminate;
use super::home::{Container, Runtime, START};
use super::make::start_address;
use crate::error::{Doing, Error, Result};

/// Starts a container that was created.
pub fn start(runtime: &Runtime, id: &str) -> Result<()> {
    let (container, _lock) = runtime.find_locked(id)?;
    match container.status_under_lock()? {
        Status::Created => {}
        Status::Running => return Err(refused(id, "cannot start an already running container")),
        Status::Stopped => return Err(refused(id, "cannot start a container that has stopped")),
        Status::Paused => return Err(refused(id, "cannot start a paused container")),
        Status::Creating => return Err(refused(id, "cannot start a container that is being created")),
    }
    let what = || format!("cannot start container `{id}`");
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .context(|| "cannot make a socket".into())?;
    connect(&socket, &start_address(&container.dir)?).context(what)?;
    // Its first connection starts it, whatever becomes of us.
    store::remove(&container.dir, START, Durability::Volatile)?;
    runtime::start_through(socket).doing(what)?;
    run_poststart(&container)
}

fn refused(id: &str, why: &str) -> Error {
    Error::conflict(format!("{why}: `{id}`"))
}

/// Runs the hooks after a start; a failed one ends the container (runtime-spec 1.2, "Lifecycle").
fn run_poststart(container: &Container) -> Result<()> {
    if !container.record.has_hooks {
        return Ok(());
    }
    let hooks = runtime::plan_hooks(config::kept(&container.dir)?.hooks.as_ref())?;
    let outcome = runtime::run_hooks("poststart", &hooks.poststart, &container.record.state(Status::Running));
    if outcome.is_err() {
        terminate(&container.record)?;
    }
    Ok(outcome?)
}
