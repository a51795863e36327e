//! `logs`: what a container has printed.

use supervisor::Stream;

use super::find::find;
use super::follow::{Growth, Lines, Reader};
use crate::error::Result;
use crate::paths::Engine;
use crate::request::{LogDriver, LogsRequest, Tail};

/// One line of output, with its end if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub stream: Stream,
    /// RFC 3339 with nanoseconds.
    pub time: String,
    pub text: Vec<u8>,
}

/// Calls `show` with every line wanted; with `follow`, until the container ends.
pub fn logs(engine: &Engine, request: &LogsRequest, mut show: impl FnMut(&LogLine)) -> Result<()> {
    let container = find(engine, &request.container)?;
    if container.record.request.log == LogDriver::Off {
        return Err(crate::error::Error::conflict(format!(
            "container `{}` keeps no log: it was created with --log-driver none",
            request.container
        )));
    }
    let path = engine.container_dir(&container.record.id).join("log");
    // Watched before the files are read, so that nothing falls between.
    let id = &container.record.id;
    let growth = (request.follow && container.is_running()).then(|| Growth::watch(engine, id, &path));
    let (mut reader, mut lines) = (Reader::new(path), Lines::default());
    let mut old = Vec::new();
    reader.read(|record| old.extend(lines.add(record)))?;
    if growth.is_none() {
        old.extend(lines.finish());
    }
    old.retain(|line| in_time(line, request));
    let skip = match request.tail {
        Tail::All => 0,
        Tail::Lines(count) => old.len().saturating_sub(count),
    };
    old.drain(skip..).for_each(|line| show(&line));
    let Some(mut growth) = growth else { return Ok(()) };
    loop {
        let goes_on = growth.wait();
        reader.read(|record| {
            lines.add(record).filter(|line| in_time(line, request)).iter().for_each(&mut show);
        })?;
        if !goes_on {
            lines.finish().filter(|line| in_time(line, request)).for_each(|line| show(&line));
            return Ok(());
        }
    }
}

fn in_time(line: &LogLine, request: &LogsRequest) -> bool {
    if request.since.is_none() && request.until.is_none() {
        return true;
    }
    let Ok(time) = line.time.parse::<jiff::Timestamp>() else { return true };
    let time = time.as_nanosecond();
    request.since.is_none_or(|since| time >= since) && request.until.is_none_or(|until| time <= until)
}
