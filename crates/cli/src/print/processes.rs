//! The processes of a container.

use engine::ProcessRow;
use engine::request::view::ProcessTable;
use jiff::Timestamp;

use super::Clock;
use super::table::wide_table;

/// The columns of `ps -ef`.
const HEADS: [&str; 8] = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];

/// Returns the text of `top`.
pub fn processes(table: &ProcessTable, clock: &Clock) -> String {
    match table {
        ProcessTable::Own(rows) => {
            wide_table(&HEADS, &rows.iter().map(|row| cells(row, clock)).collect::<Vec<_>>())
        }
        ProcessTable::Listed { titles, rows } => {
            wide_table(&titles.iter().map(String::as_str).collect::<Vec<_>>(), rows)
        }
    }
}

fn cells(row: &ProcessRow, clock: &Clock) -> Vec<String> {
    let ProcessRow { pid, user, parent, percent, started, terminal, seconds, command } = row;
    vec![
        user.clone(),
        pid.to_string(),
        parent.to_string(),
        percent.to_string(),
        start(started / 1_000_000_000, clock),
        terminal.clone(),
        time(*seconds),
        command.clone(),
    ]
}

/// The time of today, the day of this year, or the year.
fn start(seconds: i64, clock: &Clock) -> String {
    let moment = |seconds| {
        let moment = Timestamp::from_second(seconds).unwrap_or_default();
        moment.to_zoned_datetime(clock.zone.clone())
    };
    let (started, now) = (moment(seconds), moment(clock.now));
    let form = match () {
        () if started.year() != now.year() => "%Y",
        () if started.date() != now.date() => "%b%d",
        () => "%H:%M",
    };
    started.strftime(form).to_string()
}

/// Hours, minutes and seconds, with days in front where there are some.
fn time(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let days = if days > 0 { format!("{days:02}-") } else { String::new() };
    format!("{days}{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

#[cfg(test)]
#[test]
fn process_tables() {
    let clock = super::test_clock();
    let row = |pid, started: i64, seconds| ProcessRow {
        pid,
        user: "root".into(),
        parent: 1,
        percent: 3,
        started: started * 1_000_000_000,
        terminal: "?".into(),
        seconds,
        command: "sleep 600".into(),
    };
    // It is the 12th of January 1970, 13:46.
    let own = ProcessTable::Own(vec![row(7, 999_000, 59), row(12_345, 800_000, 90_061)]);
    let listed = ProcessTable::Listed {
        titles: vec!["PID".into(), "CMD".into()],
        rows: vec![vec!["7".into(), "a b".into()]],
    };
    let text = processes(&own, &clock) + &processes(&listed, &clock);
    insta::assert_snapshot!("top", text);
    assert_eq!(start(-1, &clock), "1969");
}
