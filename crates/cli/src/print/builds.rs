//! The history of builds as a table.

use engine::build::BuildRecord;
use serde_json::{Value, json};

use super::rows::{Heads, Row, formatted};
use super::table::table;
use super::{Clock, short_id};
use crate::grammar::format::Format;
use crate::template;

/// How builds are listed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BuildsView {
    pub format: Format,
    /// Ids alone.
    pub quiet: bool,
    pub truncate: bool,
}

const HEADS: &Heads = &[
    ("CachedSteps", "CACHED STEPS"),
    ("CreatedAt", "CREATED AT"),
    ("Duration", "DURATION"),
    ("ID", "BUILD ID"),
    ("Name", "NAME"),
    ("Status", "STATUS"),
    ("TotalSteps", "STEPS"),
];

/// Returns the text of `build history ls`.
pub fn builds(builds: &[BuildRecord], view: &BuildsView, clock: &Clock) -> template::Result<String> {
    if view.quiet {
        return Ok(builds.iter().map(|build| format!("{}\n", id(build, view))).collect());
    }
    let objects = builds.iter().map(|build| Row::new(object(build, view, clock)));
    if let Some(text) = formatted(&view.format, HEADS, objects)? {
        return Ok(text);
    }
    let cells = |build: &BuildRecord| {
        vec![
            id(build, view),
            build.name.clone(),
            format!("{:?}", build.status),
            duration(build.took_ms),
            format!("{}/{}", build.cached, build.steps),
            clock.ago(build.created_ms / 1000),
        ]
    };
    let head = ["BUILD ID", "NAME", "STATUS", "DURATION", "CACHED STEPS", "CREATED"];
    Ok(table(&head, &builds.iter().map(cells).collect::<Vec<_>>()))
}

fn object(build: &BuildRecord, view: &BuildsView, clock: &Clock) -> Value {
    json!({
        "CachedSteps": build.cached,
        "CreatedAt": clock.rfc3339(build.created_ms / 1000),
        "Duration": duration(build.took_ms),
        "ID": id(build, view),
        "Name": build.name,
        "Status": format!("{:?}", build.status),
        "TotalSteps": build.steps,
    })
}

fn id(build: &BuildRecord, view: &BuildsView) -> String {
    short_id(&build.id, view.truncate).to_owned()
}

/// `1.2s`, `3m 4s`, `2h 0m`
fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0..60 => format!("{seconds}.{}s", milliseconds % 1000 / 100),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        _ => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
#[test]
fn spans_of_builds() {
    let shown = [0, 40, 1234, 59_999, 60_000, 3_599_000, 7_380_000].map(duration);
    assert_eq!(shown, ["0.0s", "0.0s", "1.2s", "59.9s", "1m 0s", "59m 59s", "2h 3m"]);
}
