//! Shows what containers use: once, or anew each second.

use std::io::IsTerminal;
use std::thread::sleep;
use std::time::Duration;

use engine::Engine;
use engine::container::Watch;
use engine::request::StatsRequest;

use super::{failure, formatted};
use crate::error::Failure;
use crate::output;
use crate::print::{self, StatsView};

/// Between the first two looks: long enough for a share of a processor.
const FIRST: Duration = Duration::from_millis(500);
const EACH: Duration = Duration::from_secs(1);

pub(super) fn execute(
    engine: &Engine,
    request: &StatsRequest,
    view: &StatsView,
    stream: bool,
) -> Result<u8, Failure> {
    let failed = |error| failure(&error, 1);
    let mut watch = Watch::begin(engine, request).map_err(failed)?;
    sleep(FIRST);
    let draws = stream && std::io::stdout().is_terminal();
    loop {
        let rows = watch.look().map_err(failed)?;
        let text = formatted(print::stats(&rows, view))?;
        let text = if draws { over_the_last(&text) } else { text };
        let written = output::stdout_on_and_on(&text);
        let is_read =
            written.map_err(|error| Failure::new(1, format!("cannot write to standard output: {error}")))?;
        let all_are_gone = !request.containers.is_empty() && rows.is_empty();
        if !stream || !is_read || all_are_gone {
            return Ok(0);
        }
        sleep(EACH);
    }
}

/// Begins at the top of the screen and wipes what stood there, a line at a time: to clear it first would flicker.
fn over_the_last(text: &str) -> String {
    let lines: String = text.lines().map(|line| format!("{line}\x1b[K\r\n")).collect();
    format!("\x1b[H{lines}\x1b[J")
}
