//! `logs`: what a container has printed.

use std::collections::{BTreeMap, VecDeque};

use supervisor::Stream;

use super::find::find;
use super::follow::{Growth, Lines, Reader};
use crate::error::{Error, Result};
use crate::paths::Engine;
use crate::request::{LogsRequest, Tail};

/// One line of output, with its end if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub stream: Stream,
    /// RFC 3339 with nanoseconds.
    pub time: String,
    pub text: Vec<u8>,
    /// Labels and variables that the log driver was told to keep.
    pub attributes: BTreeMap<String, String>,
}

/// Calls `show` with every line wanted; with `follow`, until the container ends. Returns what the user should know.
pub fn logs(engine: &Engine, request: &LogsRequest, mut show: impl FnMut(&LogLine)) -> Result<Vec<String>> {
    let container = find(engine, &request.container)?;
    let Some(path) = super::log_files::path(engine, &container.record) else {
        return Err(Error::conflict(format!(
            "container `{}` keeps no log: it was created with --log-driver none",
            request.container
        )));
    };
    // Watched before the files are read, so that nothing falls between.
    let id = &container.record.id;
    let growth = (request.follow && container.is_running()).then(|| Growth::watch(engine, id, &path));
    let (mut reader, mut lines) = (Reader::new(path), Lines::default());
    let mut old = Old { tail: request.tail, kept: VecDeque::new() };
    reader.read(|record| {
        lines
            .add(record)
            .filter(|line| in_time(line, request))
            .into_iter()
            .for_each(|line| old.add(line, &mut show));
    })?;
    if growth.is_none() {
        lines.finish().filter(|line| in_time(line, request)).for_each(|line| old.add(line, &mut show));
    }
    old.kept.iter().for_each(&mut show);
    if let Some(mut growth) = growth {
        loop {
            let goes_on = growth.wait();
            reader.read(|record| {
                lines.add(record).filter(|line| in_time(line, request)).iter().for_each(&mut show);
            })?;
            if !goes_on {
                lines.finish().filter(|line| in_time(line, request)).for_each(|line| show(&line));
                break;
            }
        }
    }
    let dropped = container.status.as_ref().map_or(0, |status| status.dropped.log_records);
    let warning = format!("{dropped} records of this run are missing: they could not be written");
    Ok(if dropped > 0 { vec![warning] } else { Vec::new() })
}

/// Lines that are there already: shown as they come, unless only the last ones are wanted.
struct Old {
    tail: Tail,
    kept: VecDeque<LogLine>,
}

impl Old {
    fn add(&mut self, line: LogLine, show: &mut impl FnMut(&LogLine)) {
        match self.tail {
            Tail::All => show(&line),
            Tail::Lines(0) => {}
            Tail::Lines(count) => {
                if self.kept.len() == count {
                    self.kept.pop_front();
                }
                self.kept.push_back(line);
            }
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
