//! `logs`: what a container has printed.

use supervisor::log::{files, parse};
use supervisor::{Attachment, Client, Event, Stream};

use super::find::{Container, find};
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
    // Connected before the files are read, so that nothing falls between.
    let follower = if request.follow && container.is_running() { follow(&container) } else { None };
    let mut lines = read(engine, &container)?;
    lines.retain(|line| in_time(line, request));
    let skip = match request.tail {
        Tail::All => 0,
        Tail::Lines(count) => lines.len().saturating_sub(count),
    };
    lines.iter().skip(skip).for_each(&mut show);
    if let Some(client) = follower {
        pass_on(client, show);
    }
    Ok(())
}

/// Reads all files, joining the parts of a line.
fn read(engine: &Engine, container: &Container) -> Result<Vec<LogLine>> {
    let mut lines: Vec<LogLine> = Vec::new();
    let mut open: [Option<usize>; 2] = [None, None];
    for path in files(&engine.container_dir(&container.record.id).join("log")) {
        let bytes = sys::fs::read(&path)?;
        for record in bytes.split(|byte| *byte == b'\n').filter_map(parse) {
            let slot = usize::from(record.stream == Stream::Stderr);
            let index = match open[slot] {
                Some(index) => index,
                None => {
                    lines.push(LogLine {
                        stream: record.stream,
                        time: record.time.to_owned(),
                        text: Vec::new(),
                    });
                    lines.len() - 1
                }
            };
            lines[index].text.extend_from_slice(record.text);
            open[slot] = Some(index);
            if record.complete {
                lines[index].text.push(b'\n');
                open[slot] = None;
            }
        }
    }
    Ok(lines)
}

fn in_time(line: &LogLine, request: &LogsRequest) -> bool {
    if request.since.is_none() && request.until.is_none() {
        return true;
    }
    let Ok(time) = line.time.parse::<jiff::Timestamp>() else { return true };
    let time = time.as_nanosecond();
    request.since.is_none_or(|since| time >= since) && request.until.is_none_or(|until| time <= until)
}

fn follow(container: &Container) -> Option<Client> {
    let client = Client::connect(&container.run_dir).ok()?;
    client.attach(Attachment { stdin: false, stdout: true, stderr: true }).ok()?;
    Some(client)
}

fn pass_on(mut client: Client, mut show: impl FnMut(&LogLine)) {
    loop {
        match client.receive() {
            Event::Output(stream, text) => {
                let time = supervisor::log::format_time(supervisor::status::now());
                show(&LogLine { stream, time, text: text.to_vec() });
            }
            Event::Ended { .. } | Event::Lost | Event::Failed(_) => return,
            Event::Started { .. } | Event::Warning(_) => {}
        }
    }
}
