//! `events`: what has happened and what happens.

mod filter;
mod tell;
mod watch;

use std::ops::ControlFlow;
use std::time::Duration;

use store::{JournalReader, JournalStart};
use supervisor::events::{Event, JOURNAL};
use supervisor::status;
use sys::Dir;

use crate::error::Result;
use crate::paths::Engine;
use crate::request::EventsRequest;
use watch::Watch;

pub(crate) use tell::{of_container, of_image, of_network, of_volume};

/// The longest time without a look at the clock: it may be set.
const LOOK: Duration = Duration::from_secs(1);

/// Calls back for each event that is asked for, in the order in which they were written: those of the past where a time is given, then
/// those that come, until the callback or the end of the time stops it.
pub fn events(
    engine: &Engine,
    request: &EventsRequest,
    mut on_event: impl FnMut(&Event) -> ControlFlow<()>,
) -> Result<()> {
    let past = request.since.is_some() || request.until.is_some();
    let start = if past { JournalStart::Oldest } else { JournalStart::End };
    let mut reader = JournalReader::open(Dir::open(&engine.run_root)?, JOURNAL, start)?;
    let mut watch = Watch::new();
    loop {
        // Before it is read: what is written after that wakes us.
        watch.follow(&reader);
        let left = left(request, status::now());
        let files = reader.files();
        let mut stopped = false;
        reader.read(|line| {
            let wanted = Event::parse(line).filter(|event| filter::matches(request, event));
            let flow = wanted.map_or(ControlFlow::Continue(()), |event| on_event(&event));
            stopped |= flow.is_break();
            flow
        })?;
        if stopped || left == Some(Duration::ZERO) {
            return Ok(());
        }
        if reader.files() == files {
            watch.wait(left.map_or(LOOK, |left| left.min(LOOK)));
        }
    }
}

/// How long there are events to come, where there is an end of that.
fn left(request: &EventsRequest, now: i64) -> Option<Duration> {
    let nanos = (request.until? - i128::from(now)).max(0);
    Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
}
