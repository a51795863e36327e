//! What containers use.

use engine::request::view::{Pressure, StatsRow, Traffic, Usage};
use serde_json::{Value, json};

use super::rows::{Heads, Row, formatted};
use super::table::table;
use super::{human, short_id};
use crate::grammar::format::Format;
use crate::template;

/// How `stats` is shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StatsView {
    pub format: Format,
    pub truncate: bool,
}

/// Heads of all columns that a template may ask for.
const HEADS: &Heads = &[
    ("BlockIO", "BLOCK I/O"),
    ("CPUPerc", "CPU %"),
    ("CPUPressure", "CPU PRESSURE"),
    ("Container", "CONTAINER"),
    ("ID", "CONTAINER ID"),
    ("IOPressure", "I/O PRESSURE"),
    ("MemPerc", "MEM %"),
    ("MemPressure", "MEM PRESSURE"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("Name", "NAME"),
    ("NetIO", "NET I/O"),
    ("PIDs", "PIDS"),
];

/// The columns, by field.
const COLUMNS: [&str; 8] = ["ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"];

/// Returns the text of `stats`.
pub fn stats(rows: &[StatsRow], view: &StatsView) -> template::Result<String> {
    let objects: Vec<Value> = rows.iter().map(|row| object(row, view.truncate)).collect();
    Ok(match formatted(&view.format, HEADS, objects.iter().cloned().map(Row::new))? {
        Some(text) => text,
        None => {
            let head =
                |field: &str| HEADS.iter().find(|(name, _)| *name == field).map_or("", |(_, head)| head);
            let cell = |object: &Value, field: &str| object[field].as_str().unwrap_or_default().to_owned();
            let cells: Vec<Vec<String>> = objects
                .iter()
                .map(|object| COLUMNS.iter().map(|field| cell(object, field)).collect())
                .collect();
            table(&COLUMNS.map(head), &cells)
        }
    })
}

fn object(row: &StatsRow, truncate: bool) -> Value {
    let StatsRow { id, word, name, usage } = row;
    let shown = |show: &dyn Fn(&Usage) -> String, otherwise: &str| match usage {
        Some(usage) => show(usage),
        // It runs, and nobody counts what it uses.
        None => otherwise.to_owned(),
    };
    json!({
        "BlockIO": shown(&|usage| traffic(usage.block), "--"),
        "CPUPerc": shown(&|usage| format!("{:.2}%", usage.cpu_percent), "--"),
        "CPUPressure": shown(&|usage| pressure(usage, |pressure| pressure.cpu), "--"),
        "Container": word,
        "ID": short_id(id, truncate),
        "IOPressure": shown(&|usage| pressure(usage, |pressure| pressure.block), "--"),
        "MemPerc": shown(&|usage| format!("{:.2}%", memory_percent(usage)), "--"),
        "MemPressure": shown(&|usage| pressure(usage, |pressure| pressure.memory), "--"),
        "MemUsage": shown(&memory, "-- / --"),
        "Name": name,
        "NetIO": shown(&|usage| traffic(usage.network), "--"),
        "PIDs": shown(&|usage| usage.pids.to_string(), "--"),
    })
}

fn memory(usage: &Usage) -> String {
    format!("{} / {}", human::binary_size(usage.memory), human::binary_size(usage.memory_limit))
}

fn memory_percent(usage: &Usage) -> f64 {
    match usage.memory_limit {
        0 => 0.0,
        limit => usage.memory as f64 / limit as f64 * 100.0,
    }
}

fn pressure(usage: &Usage, part: impl Fn(&Pressure) -> f64) -> String {
    usage.pressure.as_ref().map_or_else(|| "--".to_owned(), |pressure| format!("{:.2}%", part(pressure)))
}

fn traffic(traffic: Traffic) -> String {
    format!("{} / {}", human::size(traffic.received, 3), human::size(traffic.sent, 3))
}

#[cfg(test)]
#[test]
fn usage_for_people_and_programs() {
    let row = |digit: &str, name: &str, usage| StatsRow {
        id: digit.repeat(64),
        word: name.to_owned(),
        name: name.to_owned(),
        usage,
    };
    let busy = Usage {
        cpu_percent: 150.256,
        memory: 1_572_864,
        memory_limit: 8_221_000_000,
        network: Traffic { received: 1_234, sent: 0 },
        block: Traffic { received: 4_260_000, sent: 999 },
        pids: 12,
        pressure: Some(Pressure { cpu: 12.5, memory: 0.0, block: 3.0 }),
    };
    let rows = [row("a", "web", Some(busy)), row("b", "off", Some(Usage::default())), row("c", "odd", None)];
    let shown = |format: &str, truncate| {
        let format = crate::grammar::format::parse_rows(format).unwrap();
        stats(&rows, &StatsView { format, truncate }).unwrap()
    };
    insta::assert_snapshot!("stats", shown("", true));
    insta::assert_snapshot!("stats_json", shown("json", false));
    assert_eq!(
        shown("table {{.Name}}\\t{{.CPUPerc}}", true),
        "NAME      CPU %\nweb       150.26%\noff       0.00%\nodd       --\n"
    );
}
