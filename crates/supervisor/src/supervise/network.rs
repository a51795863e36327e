//! The container's resolver as a part of its supervisor: opened before the program starts, opened again by a successor.

use std::os::fd::BorrowedFd;

use crate::job::Job;
use crate::resolver::{self, Resolver, Sockets};
use crate::status::Status;

/// Opens what the resolver listens on in a network namespace (or that of a process, given by its pidfd), if the container
/// has one.
pub(super) fn listen(job: &Job, netns: BorrowedFd<'_>) -> sys::Result<Option<Sockets>> {
    job.resolver.as_ref().map(|_| resolver::open(netns, None)).transpose()
}

/// Begins to serve.
pub(super) fn serve(job: &Job, sockets: Option<Sockets>) -> sys::Result<Option<Resolver>> {
    let (Some(config), Some(sockets)) = (&job.resolver, sockets) else { return Ok(None) };
    Resolver::start(config, sockets).map(Some)
}

/// Serves on after the predecessor was killed, on the port that the container's packets are redirected to. Where that
/// is not possible the container goes on without names.
pub(super) fn resume(job: &Job, status: &Status, pidfd: BorrowedFd<'_>) -> Option<Resolver> {
    let port = status.resolver_port?;
    let sockets = resolver::open(pidfd, Some(port)).ok()?;
    serve(job, Some(sockets)).ok().flatten()
}
