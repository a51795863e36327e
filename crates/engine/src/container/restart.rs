//! `restart`: stop, and start again.

use store::Lock;
use sys::Dir;

use super::attach::Terminal;
use super::find::find;
use super::start::start_one;
use super::stop::stop;
use crate::error::Result;
use crate::paths::Engine;
use crate::request::{RestartRequest, StartRequest, StopRequest};

/// Restarts each container, and starts those that do not run. All end at the same time; they start one after the other.
pub fn restart(
    engine: &Engine,
    request: &RestartRequest,
    terminal: &Terminal<'_>,
) -> Vec<(String, Result<()>)> {
    // Held until all are started.
    let kept: Vec<Result<Option<Lock>>> = request.containers.iter().map(|word| keep(engine, word)).collect();
    let RestartRequest { containers, signal, timeout } = request.clone();
    let stopped = stop(engine, &StopRequest { containers, signal, timeout });
    let start_again = |word: &str| {
        let request = StartRequest { containers: vec![word.to_owned()], ..StartRequest::default() };
        start_one(engine, &request, word, terminal)?;
        crate::events::of_container(engine, &find(engine, word)?.record, "restart", &[]);
        Ok(())
    };
    let outcomes = stopped.into_iter().zip(&kept).map(|((word, stopped), kept)| {
        let outcome = match kept {
            Ok(_) => stopped.and_then(|()| start_again(&word)),
            // The same error, without what would follow from it.
            Err(_) => stopped,
        };
        (word, outcome)
    });
    outcomes.collect()
}

/// Keeps the end of a run from deleting the container, where `--rm` says so. The lock dies with us: where we are
/// killed, the container goes with its end as before.
fn keep(engine: &Engine, word: &str) -> Result<Option<Lock>> {
    let container = find(engine, word)?;
    if !container.record.request.auto_remove || !container.is_running() {
        return Ok(None);
    }
    // Somebody who restarts it too keeps it as well.
    Ok(Lock::try_exclusive(Dir::open(&container.run_dir)?, supervisor::KEPT)?)
}
