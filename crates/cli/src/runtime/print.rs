//! Results as text, in runc's form: pure functions.

use engine::bundle::{ProcessRow, StateView};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

/// Returns a document over several lines.
pub(super) fn pretty(document: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(document);
    text.expect("our own documents have text keys") + "\n"
}

/// Returns a document on one line.
pub(super) fn line(document: &impl Serialize) -> String {
    serde_json::to_string(document).expect("our own documents have text keys") + "\n"
}

/// Returns the state of a container.
pub(super) fn state(state: &StateView) -> String {
    pretty(state)
}

/// Returns the containers as a table, as JSON, or their ids.
pub(super) fn list(states: &[StateView], json: bool, quiet: bool) -> String {
    if quiet {
        return states.iter().map(|state| format!("{}\n", state.id)).collect();
    }
    if json {
        return serde_json::to_string(states).expect("our own documents have text keys") + "\n";
    }
    let rows: Vec<[String; 6]> = states
        .iter()
        .map(|state| {
            [
                state.id.clone(),
                state.pid.to_string(),
                state.status.to_string(),
                state.bundle.display().to_string(),
                state.created.clone(),
                state.owner.clone(),
            ]
        })
        .collect();
    table(["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"], &rows)
}

/// Returns columns at least twelve wide, with one blank between.
fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].len()]).max().unwrap_or(0).max(11) + 1
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in std::iter::once(&head.map(str::to_owned)).chain(rows) {
        let line: String = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Returns the processes in the columns of `ps -ef`, or their ids as JSON.
pub(super) fn ps(rows: &[ProcessRow], json: bool, zone: &TimeZone) -> String {
    if json {
        let pids: Vec<i32> = rows.iter().map(|row| row.pid).collect();
        return serde_json::to_string(&pids).expect("numbers") + "\n";
    }
    let mut text = format!("{:<8} {:>7} {:>7}  C STIME TTY          TIME CMD\n", "UID", "PID", "PPID");
    for row in rows {
        let ProcessRow { pid, user, parent, percent, started, terminal, seconds, command } = row;
        let start = Timestamp::from_nanosecond(i128::from(*started)).unwrap_or_default();
        let start = zone.to_datetime(start).strftime("%H:%M").to_string();
        let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        text.push_str(&format!(
            "{user:<8} {pid:>7} {parent:>7} {percent:>2} {start} {terminal:<8} {hours:02}:{minutes:02}:{rest:02} {command}\n"
        ));
    }
    text
}
