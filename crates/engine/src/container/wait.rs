//! `wait`: blocks until containers have ended.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use supervisor::{Client, Event};

use super::accompany::connect;
use super::find::{Container, find};
use crate::error::Result;
use crate::paths::Engine;
use crate::request::WaitRequest;

/// Returns the exit code of each container, waiting for those that run.
pub fn wait(engine: &Engine, request: &WaitRequest) -> Vec<(String, Result<u8>)> {
    request.containers.iter().map(|word| (word.clone(), wait_one(engine, word))).collect()
}

fn wait_one(engine: &Engine, word: &str) -> Result<u8> {
    let container = find(engine, word)?;
    if !container.is_running() && !container.is_restarting() {
        return Ok(container.exit_code());
    }
    // A supervisor that was killed has a successor, and one whose container is started again listens meanwhile.
    while let Ok(Some(mut client)) = connect(engine, &container.record.id) {
        if let Some(code) = last_word(&mut client) {
            return Ok(code);
        }
    }
    // No supervisor to ask: the status it left, or its successor's.
    let pidfd = container.status.as_ref().and_then(|status| status.open_process());
    until_gone(&container, pidfd.as_ref(), None)?;
    let after = Container::load(engine, &container.record.id)?;
    Ok(after.map_or(0, |container| container.exit_code()))
}

fn last_word(client: &mut Client) -> Option<u8> {
    loop {
        match client.receive() {
            Event::Ended { code } => return Some(code),
            Event::Lost | Event::Failed(_) => return None,
            _ => {}
        }
    }
}

/// Waits until a supervisor that was asked to end has cleared away.
pub(super) fn until_cleared(mut client: Client) {
    let _ = last_word(&mut client);
}

/// Waits until the container's process has ended and its supervisor has cleared away. Returns false when
/// the time was over before.
pub(crate) fn until_gone(
    container: &Container,
    pidfd: Option<&OwnedFd>,
    timeout: Option<Duration>,
) -> Result<bool> {
    let client = Client::connect(&container.run_dir).ok();
    if let Some(pidfd) = pidfd
        && !wait_readable(pidfd, timeout)
    {
        return Ok(false);
    }
    if let Some(mut client) = client {
        let _ = last_word(&mut client);
    }
    // The supervisor removes its socket when all is done.
    let deadline = Instant::now() + Duration::from_secs(10);
    let socket = container.run_dir.join("sock");
    while sys::fs::exists(&socket) && Instant::now() < deadline {
        let alive = container.status.as_ref().is_some_and(|status| {
            supervisor::status::process_facts(status.guardian).is_some_and(|facts| !facts.dead)
        });
        if !alive {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(true)
}

fn wait_readable(fd: &OwnedFd, timeout: Option<Duration>) -> bool {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left =
            left.map(|left| Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() });
        let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)];
        match poll(&mut fds, left.as_ref()) {
            Ok(0) => return false,
            Ok(_) => return true,
            Err(_) => {}
        }
    }
}
