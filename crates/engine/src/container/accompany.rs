//! Gives a container that runs, and whose guardian and supervisor were both killed, another pair of them.
//!
//! Any command that looks at such a container does this before it goes on. What the new pair needs is all written down:
//! the record says what becomes of output and end, the run root what the container has claimed, the status which
//! process it is. The locks that everybody takes decide between several commands at once.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use network::{State, reopen};
use store::Lock;
use supervisor::status::Status;
use supervisor::{Attachment, Client, Event, Job, NetworkJob};
use sys::Dir;

use super::find::{Container, is_locked};
use super::idrange;
use super::record::ContainerRecord;
use super::start::{self, StartOptions};
use crate::error::Result;
use crate::paths::Engine;

/// How often the lock is tried: whoever only asks whether it is held has it for an instant.
const TRIES: usize = 5;
/// How long others may take to have it accompanied, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether a container has nobody who accompanies it although its process is there.
pub(super) fn is_alone(container: &Container) -> bool {
    // One that has ended and was not reaped yet has an end that is to be written down.
    let there = container.is_running() || container.status.as_ref().is_some_and(Status::is_there);
    there && is_locked(&container.run_dir).is_ok_and(|held| !held)
}

/// Accompanies it again, unless somebody else does so at this moment. What the status says may be another thing then.
pub(super) fn accompany(engine: &Engine, container: &Container) -> Result<()> {
    let mut tries = 0..TRIES;
    let lock = loop {
        let taken = Lock::try_exclusive(Dir::open(&container.run_dir)?, supervisor::LOCK)?;
        match taken {
            Some(lock) => break lock,
            None if tries.next().is_none() => return Ok(()),
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    // Somebody may have had it in between.
    let Some(status) = Status::load(&container.run_dir)?.filter(Status::is_there) else { return Ok(()) };
    let (job, sockets) = job(engine, &container.record, &status)?;
    let mut client = supervisor::launch(&job, &lock, sockets)?;
    drop(lock);
    // Until it can be connected to, or has written the end down.
    while matches!(client.receive(), Event::Warning(_) | Event::Output(..)) {}
    Ok(())
}

/// Connects to whoever accompanies a container now; `None` where it does not run and will not
/// again.
pub(super) fn connect(engine: &Engine, id: &str) -> Result<Option<Client>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let connected = Client::connect(&engine.run_dir(id));
        if connected.is_ok() || Instant::now() > deadline {
            return Ok(Some(connected?));
        }
        let is_served = |container: Container| container.is_running() || container.is_restarting();
        if !Container::load(engine, id)?.is_some_and(is_served) {
            return Ok(None);
        }
        // Another command is about to have it accompanied, or it is started again just now.
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn job(engine: &Engine, record: &ContainerRecord, status: &Status) -> Result<(Job, Vec<OwnedFd>)> {
    let options = StartOptions {
        attach: Attachment::default(),
        terminal_size: None,
        stdin_once: record.request.attach.stdin,
    };
    let leases = idrange::lease_owner(engine)?.into_iter().filter(|claim| claim.owner == record.id);
    let leases = leases.map(|claim| engine.ids().join(claim.name)).collect();
    let state = State::new(engine.run_root());
    let endpoints = state.endpoints_of(&record.id)?;
    // A port that somebody else has taken meanwhile is led to the container all the same: that is the firewall's doing.
    let held = state.ports_of(&record.id)?.into_iter().filter_map(|rule| Some((rule, reopen(&rule)?)));
    let (ports, sockets): (Vec<_>, Vec<_>) = held.unzip();
    let network = (!endpoints.is_empty()).then(|| NetworkJob {
        run_root: engine.run_root().to_owned(),
        endpoints,
        ports,
        resolver: crate::network::resolver_of(engine, record),
        names: status.resolver_port.is_some(),
    });
    let sockets = if network.is_some() { sockets } else { Vec::new() };
    let job = Job {
        cgroup: status.cgroup.clone(),
        network,
        again: true,
        ..start::common_job(engine, record, &options, leases)
    };
    Ok((job, sockets))
}
