//! What the machine lacks.

use engine::request::view::{DoctorRow, Verdict};
use serde_json::json;

use super::rows::{Heads, Row, formatted};
use super::table::table;
use crate::grammar::format::Format;
use crate::template;

/// Heads of all columns that a template may ask for.
const HEADS: &Heads = &[("Check", "CHECK"), ("Result", "RESULT"), ("Found", "FOUND"), ("Remedy", "REMEDY")];

/// Returns the text of `doctor`.
pub fn doctor(rows: &[DoctorRow], format: &Format) -> template::Result<String> {
    let objects = rows.iter().map(|row| {
        let row =
            json!({"Check": row.check, "Result": word(row.verdict), "Found": row.found, "Remedy": row.remedy});
        Row::new(row)
    });
    if let Some(text) = formatted(format, HEADS, objects)? {
        return Ok(text);
    }
    let cells = |row: &DoctorRow| {
        let remedy = row.remedy.clone().unwrap_or_default();
        vec![row.check.clone(), word(row.verdict).to_owned(), row.found.clone(), remedy]
    };
    Ok(table(&["CHECK", "RESULT", "FOUND", "REMEDY"], &rows.iter().map(cells).collect::<Vec<_>>()))
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fine => "ok",
        Verdict::Lacking => "lacking",
        Verdict::Broken => "BROKEN",
    }
}

#[cfg(test)]
#[test]
fn findings() {
    let row = |check: &str, verdict, found: &str, remedy: Option<&str>| DoctorRow {
        check: check.to_owned(),
        verdict,
        found: found.to_owned(),
        remedy: remedy.map(str::to_owned),
    };
    let rows = [
        row("kernel", Verdict::Fine, "6.18", None),
        row("hard limits", Verdict::Lacking, "no CAP_SYS_RESOURCE", Some("run with that capability")),
    ];
    insta::assert_snapshot!("doctor", doctor(&rows, &Format::Text).unwrap());
    insta::assert_snapshot!("doctor_json", doctor(&rows, &Format::Json).unwrap());
}
