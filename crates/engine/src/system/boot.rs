//! `system boot`: starts what the restart policies say, after the machine has booted.
//!
//! Nothing of an earlier boot is trusted: a process counts only with this boot's id ([`supervisor::status`]), and what
//! runs of that boot had claimed is given back first, for all containers. Several are started at once: a
//! guardian that is launched needs nobody to wait for it.

use std::collections::VecDeque;

use supervisor::restart::RunEnd;
use supervisor::{Attachment, Client, Event};

use crate::container::{self, Container, ContainerRecord};
use crate::error::{Doing, Error, Result};
use crate::paths::Engine;

/// Starts all containers that are to run after a boot and do not; tells for each how that went.
pub fn boot(engine: &Engine, warn: &dyn Fn(&str)) -> Result<Vec<(String, Result<()>)>> {
    let mut wanted = Vec::new();
    for container in container::all_containers(engine)? {
        if is_wanted(engine, &container) {
            wanted.push(container.record);
        } else if !container.is_running() && !container.is_restarting() {
            container::clear_lost(engine, &container.record)?;
        }
    }
    wanted.sort_by_key(|record| record.created);
    let mut outcomes = Vec::new();
    loop {
        let mut failed = Vec::new();
        let mut progress = false;
        for (record, outcome) in start_all(engine, wanted, warn) {
            match outcome {
                Ok(()) => {
                    progress = true;
                    outcomes.push((record.name, Ok(())));
                }
                Err(error) => failed.push((record, error)),
            }
        }
        // Those that share the namespaces of another one could not before that ran.
        let (again, lost): (Vec<_>, Vec<_>) =
            failed.into_iter().partition(|(record, _)| progress && record.joins_another());
        outcomes.extend(lost.into_iter().map(|(record, error)| (record.name, Err(error))));
        if again.is_empty() {
            return Ok(outcomes);
        }
        wanted = again.into_iter().map(|(record, _)| record).collect();
    }
}

/// Whether a container is to run and does not.
fn is_wanted(engine: &Engine, container: &Container) -> bool {
    let record = &container.record;
    // One that nobody has ever started is started by nobody.
    let Some(status) = &container.status else { return false };
    let end = RunEnd {
        exit_code: container.exit_code(),
        stopped: container::was_stopped(engine, record),
        ran: std::time::Duration::ZERO,
        restarts: status.restarts,
        pause: std::time::Duration::ZERO,
    };
    !container.is_running() && !container.is_restarting() && record.request.restart.at_boot(&end)
}

/// Starts containers, several at a time.
fn start_all(
    engine: &Engine,
    records: Vec<ContainerRecord>,
    warn: &dyn Fn(&str),
) -> Vec<(ContainerRecord, Result<()>)> {
    let at_once = 2 * std::thread::available_parallelism().map_or(1, usize::from) + 2;
    let mut under_way: VecDeque<(ContainerRecord, Client)> = VecDeque::new();
    let mut outcomes = Vec::new();
    let mut finish = |under_way: &mut VecDeque<(ContainerRecord, Client)>| {
        if let Some((record, client)) = under_way.pop_front() {
            let outcome = until_started(engine, &record, client, warn);
            outcomes.push((record, outcome));
        }
    };
    let mut not_begun = Vec::new();
    for record in records {
        let begun = container::begin(engine, &record, Attachment::default());
        match begun.doing(|| format!("cannot start container `{}`", record.name)) {
            Ok(Some(client)) => under_way.push_back((record, client)),
            // Somebody else was faster.
            Ok(None) => {}
            Err(error) => not_begun.push((record, Err(error))),
        }
        if under_way.len() >= at_once {
            finish(&mut under_way);
        }
    }
    while !under_way.is_empty() {
        finish(&mut under_way);
    }
    outcomes.extend(not_begun);
    outcomes
}

fn until_started(
    engine: &Engine,
    record: &ContainerRecord,
    mut client: Client,
    warn: &dyn Fn(&str),
) -> Result<()> {
    let failed = |text: &str| {
        container::clear_failed_start(engine, record);
        let text = format!("cannot start container `{}`: {text}", record.name);
        Error::new(oci::class::Class::Invalid, text)
    };
    loop {
        match client.receive() {
            Event::Started { .. } => return Ok(()),
            Event::Warning(text) => warn(&format!("{}: {text}", record.name)),
            Event::Output(..) => {}
            Event::Failed(report) => return Err(failed(&report.text)),
            Event::Lost | Event::Ended { .. } => return Err(failed("its supervisor has ended")),
        }
    }
}
