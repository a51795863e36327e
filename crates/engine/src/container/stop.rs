//! `stop`: asks the process to end, then makes it.

use std::os::fd::AsFd;
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use super::deaf::is_deaf;
use super::find::{Container, find};
use super::policy::{give_up, note_stop};
use super::wait::until_gone;
use crate::error::Result;
use crate::paths::Engine;
use crate::request::{Signal, StopRequest, Timeout};

/// Stops the containers, all at the same time; one that does not run is fine.
pub fn stop(engine: &Engine, request: &StopRequest) -> Vec<(String, Result<()>)> {
    stop_telling(engine, request, &|_| ())
}

/// Does the same, and tells why it will take its time where that is known.
pub fn stop_telling(
    engine: &Engine,
    request: &StopRequest,
    tell: &(dyn Fn(&str) + Sync),
) -> Vec<(String, Result<()>)> {
    std::thread::scope(|scope| {
        let mut under_way = Vec::new();
        for word in &request.containers {
            under_way.push((word, scope.spawn(move || stop_one(engine, request, word, tell))));
        }
        let outcome = |stopping: ScopedJoinHandle<'_, Result<()>>| stopping.join().expect("does not panic");
        under_way.into_iter().map(|(word, stopping)| (word.clone(), outcome(stopping))).collect()
    })
}

fn stop_one(engine: &Engine, request: &StopRequest, word: &str, tell: &(dyn Fn(&str) + Sync)) -> Result<()> {
    let found = find(engine, word)?;
    let waited = found.is_restarting();
    let Some(container) = give_up(engine, found)? else { return Ok(()) };
    let Some(pidfd) = container.status.as_ref().filter(|s| s.is_alive()).and_then(|s| s.open_process())
    else {
        if waited {
            crate::events::of_container(engine, &container.record, "stop", &[]);
        }
        return Ok(());
    };
    note_stop(engine, &container.record)?;
    // Before the signal, by which it might end.
    let status = container.status.as_ref().and_then(|status| crate::processes::read(status.pid, "status"));
    let status = status.unwrap_or_default();
    let signal = request.signal.map_or_else(|| stop_signal(&container), Signal::number);
    let timeout = request.timeout.unwrap_or_else(|| container.record.request.stop_timeout_or_default());
    super::kill::tell(engine, &container.record, signal);
    let _ = sys::process::signal(pidfd.as_fd(), signal);
    super::pause::thaw(&container);
    let patience = match timeout {
        Timeout::Never => None,
        Timeout::After(time) => Some(time),
    };
    if let Some(text) = futility(&container, &status, signal, patience) {
        tell(&text);
    }
    if !until_gone(&container, Some(&pidfd), patience)? {
        super::kill::tell(engine, &container.record, libc::SIGKILL);
        let _ = sys::process::signal(pidfd.as_fd(), libc::SIGKILL);
        thaw_again(engine, &container);
        until_gone(&container, Some(&pidfd), None)?;
    }
    crate::events::of_container(engine, &container.record, "stop", &[]);
    Ok(())
}

/// Says that waiting is of no use, where it is not.
fn futility(container: &Container, status: &str, signal: i32, patience: Option<Duration>) -> Option<String> {
    if patience.is_some_and(|time| time.is_zero()) || !is_deaf(status, signal) {
        return None;
    }
    let name = &container.record.name;
    let signal = Signal::new(signal).map_or_else(|| signal.to_string(), |signal| signal.to_string());
    let then = match patience {
        Some(time) => format!("it will be killed after {} s", time.as_secs()),
        None => "it will not end by it".to_owned(),
    };
    Some(format!(
        "the first process of container `{name}` has no handler for {signal}, and as pid 1 does not get it: {then} (see --init, --stop-signal)"
    ))
}

/// Somebody may have paused it while we waited.
fn thaw_again(engine: &Engine, container: &Container) {
    if let Ok(Some(now)) = Container::load(engine, &container.record.id) {
        super::pause::thaw(&now);
    }
}

/// The container's own stop signal: asked for, else the image's, else SIGTERM.
pub(super) fn stop_signal(container: &Container) -> i32 {
    let record = &container.record;
    record
        .request
        .stop_signal
        .or_else(|| record.stop_signal.as_deref().and_then(|name| name.parse().ok()))
        .map_or(libc::SIGTERM, Signal::number)
}
