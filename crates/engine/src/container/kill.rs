//! `kill`: sends a signal.

use std::os::fd::AsFd;

use super::find::find;
use super::pause::thaw;
use super::policy::{give_up, note_stop};
use super::record::ContainerRecord;
use super::stop::stop_signal;
use super::wait::until_gone;
use crate::error::{Error, Result};
use crate::paths::Engine;
use crate::request::KillRequest;

/// Signals each container's first process.
pub fn kill(engine: &Engine, request: &KillRequest) -> Vec<(String, Result<()>)> {
    request.containers.iter().map(|word| (word.clone(), kill_one(engine, request, word))).collect()
}

fn kill_one(engine: &Engine, request: &KillRequest, word: &str) -> Result<()> {
    let found = find(engine, word)?;
    let signal = request.signal.number();
    // Whoever asks it to end wants that now; other signals wait until it is resumed.
    let ends = signal == libc::SIGKILL || signal == stop_signal(&found);
    let container = match ends && found.is_restarting() {
        false => found,
        true => {
            let name = found.record.name.clone();
            match give_up(engine, found)? {
                Some(container) if container.is_running() => container,
                Some(container) => {
                    tell(engine, &container.record, signal);
                    return Ok(());
                }
                None => return Err(Error::not_found(format!("No such container: {name}"))),
            }
        }
    };
    let gone = || Error::conflict(format!("cannot kill container `{word}`: it is not running"));
    let pidfd = container.running()?.open_process().ok_or_else(gone)?;
    if ends {
        note_stop(engine, &container.record)?;
    }
    // Its end, of which the supervisor tells, must not come first.
    tell(engine, &container.record, signal);
    sys::process::signal(pidfd.as_fd(), signal)?;
    if ends {
        thaw(&container);
    }
    if signal == libc::SIGKILL {
        until_gone(&container, Some(&pidfd), None)?;
    }
    Ok(())
}

/// Tells that a container was signalled.
pub(super) fn tell(engine: &Engine, record: &ContainerRecord, signal: i32) {
    crate::events::of_container(engine, record, "kill", &[("signal", &signal.to_string())]);
}
