//! The container's networks as a part of its life: connected before its program runs, given back after its end.

use std::os::fd::{BorrowedFd, OwnedFd};

use network::{Connection, Endpoint, Fabric, PortRule, State};

use crate::events::Event;
use crate::job::{Job, NetworkJob};
use crate::resolver::{self, Resolver, Sockets};
use crate::status::Status;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Connects a container that has been born and whose program does not run yet, given by its pidfd. Returns its
/// resolver, if it is to have one.
pub(super) fn connect(network: &NetworkJob, pidfd: BorrowedFd<'_>) -> Outcome<Option<Resolver>> {
    let sockets = network.names.then(|| resolver::open(pidfd, None)).transpose()?;
    let connection = Connection {
        endpoints: &network.endpoints,
        ports: &PortRule::led(&network.ports),
        resolver_port: sockets.as_ref().map(|sockets| sockets.port),
    };
    Fabric::new(&network.run_root).connect(&connection, pidfd)?;
    Ok(sockets.map(|sockets| serve(network, sockets)).transpose()?)
}

fn serve(network: &NetworkJob, sockets: Sockets) -> sys::Result<Resolver> {
    Resolver::start(&network.resolver, sockets)
}

/// Begins to answer for names in a container that had no use for it before.
pub(super) fn answer(network: &NetworkJob, pidfd: BorrowedFd<'_>) -> sys::Result<Resolver> {
    serve(network, resolver::open(pidfd, None)?)
}

/// Resolves names again after the predecessor was killed, on the port that the container's packets are redirected to.
/// Where that is not possible the container goes on without names.
pub(super) fn resume(job: &Job, status: &Status, pidfd: BorrowedFd<'_>) -> Option<Resolver> {
    let (network, port) = (job.network.as_ref()?, status.resolver_port?);
    let sockets = resolver::open(pidfd, Some(port)).ok()?;
    serve(network, sockets).ok()
}

/// Disconnects a container that has ended and gives back all that it had claimed.
///
/// What the firewall leads to it goes first: an address is nobody else's while packets to it lead to us. Where that
/// fails the claims stay, for `system audit`. What is returned is to be dropped when nobody waits any more: it closes
/// a socket, for which the kernel may take its time.
pub(super) fn disconnect(job: &Job, ports: &[OwnedFd]) -> Option<Fabric> {
    let network = job.network.as_ref()?;
    let fabric = Fabric::new(&network.run_root);
    let (endpoints, published) = places(job, network);
    // Its interfaces go with its network namespace, unless others have joined that.
    let given_back = match fabric.state().is_shared(&job.id) {
        true => fabric.disconnect(&endpoints, &published).and_then(|()| fabric.state().release_all(&job.id)),
        false if published.is_empty() => fabric.state().retire(&job.id),
        false => fabric.forget(&endpoints, &published).and_then(|()| fabric.state().release_all(&job.id)),
    };
    // The audit finds what was not.
    let _ = given_back;
    endpoints.iter().for_each(|endpoint| Event::of_endpoint(endpoint, "disconnect").tell(&network.run_root));
    // The guardian has them open too, for as long as it takes to end.
    ports.iter().for_each(network::let_go);
    Some(fabric)
}

/// How many retired endpoints are swept out together.
const TOGETHER: usize = 64;

/// Sweeps where enough containers have retired; when nobody waits any more.
pub(super) fn tidy(fabric: Option<Fabric>) {
    // The next one does where this one cannot.
    let _ = fabric.map(|fabric| fabric.sweep(TOGETHER));
}

/// Takes away what leads to a container that has ended and will be started again, and keeps all that it has claimed.
pub(super) fn unplug(job: &Job) {
    let Some(network) = &job.network else { return };
    let fabric = Fabric::new(&network.run_root);
    let (endpoints, published) = places(job, network);
    let _ = match fabric.state().is_shared(&job.id) {
        true => fabric.disconnect(&endpoints, &published),
        false => fabric.forget(&endpoints, &published),
    };
    endpoints.iter().for_each(|endpoint| Event::of_endpoint(endpoint, "disconnect").tell(&network.run_root));
}

/// Where the container is, and the ports that the firewall leads: others may have connected or disconnected it meanwhile.
fn places(job: &Job, network: &NetworkJob) -> (Vec<Endpoint>, Vec<PortRule>) {
    let state = State::new(&network.run_root);
    let endpoints = state.endpoints_of(&job.id).unwrap_or_else(|_| network.endpoints.clone());
    let known = state.ports_of(&job.id).unwrap_or_default();
    (endpoints, PortRule::led(if known.is_empty() { &network.ports } else { &known }))
}

/// Finds out what a container is on that is started again.
pub(super) fn look_up(id: &str, network: &mut NetworkJob) {
    if let Ok(endpoints) = State::new(&network.run_root).endpoints_of(id) {
        network.endpoints = endpoints;
    }
}

/// Disconnects for a predecessor that was killed meanwhile, if it has left something. What it has given back may be
/// somebody else's by now.
pub(super) fn disconnect_again(job: &Job, ports: &[OwnedFd]) {
    let Some(network) = &job.network else { return };
    let state = State::new(&network.run_root);
    let on_networks = state.networks_of(&job.id).is_ok_and(|networks| !networks.is_empty());
    if on_networks || state.ports_of(&job.id).is_ok_and(|ports| !ports.is_empty()) {
        tidy(disconnect(job, ports));
    }
}
