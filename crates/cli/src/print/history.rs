//! The history of an image.

use engine::request::view::HistoryRow;
use serde_json::json;

use super::rows::{Heads, Row, formatted};
use super::table::table;
use super::{Clock, human, short_id};
use crate::grammar::format::Format;
use crate::template;

/// How `history` is shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HistoryView {
    pub format: Format,
    /// Ids alone.
    pub quiet: bool,
    pub truncate: bool,
    /// Rough sizes and times.
    pub human: bool,
}

/// Heads of all columns that a template may ask for.
const HEADS: &Heads = &[
    ("Comment", "COMMENT"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("CreatedSince", "CREATED"),
    ("ID", "IMAGE"),
    ("Size", "SIZE"),
];

/// Returns the text of `history`; the newest row comes first.
pub fn history(rows: &[HistoryRow], view: &HistoryView, clock: &Clock) -> template::Result<String> {
    if view.quiet {
        return Ok(rows.iter().map(|row| format!("{}\n", id(row, view))).collect());
    }
    let objects = rows.iter().map(|row| Row::new(object(row, view, clock)));
    Ok(match formatted(&view.format, HEADS, objects)? {
        Some(text) => text,
        None => columns(rows, view, clock),
    })
}

fn columns(rows: &[HistoryRow], view: &HistoryView, clock: &Clock) -> String {
    let created = if view.human { "CREATED" } else { "CREATED AT" };
    let head = ["IMAGE", created, "CREATED BY", "SIZE", "COMMENT"];
    let cells = |row: &HistoryRow| {
        let created = if view.human { since(row, clock) } else { at(row, clock) };
        vec![id(row, view).to_owned(), created, created_by(row, view), size(row, view), row.comment.clone()]
    };
    table(&head, &rows.iter().map(cells).collect::<Vec<_>>())
}

fn object(row: &HistoryRow, view: &HistoryView, clock: &Clock) -> serde_json::Value {
    json!({
        "Comment": row.comment,
        "CreatedAt": at(row, clock),
        "CreatedBy": created_by(row, view),
        "CreatedSince": if view.human { since(row, clock) } else { at(row, clock) },
        "ID": id(row, view),
        "Size": size(row, view),
    })
}

fn id<'a>(row: &'a HistoryRow, view: &HistoryView) -> &'a str {
    row.id.as_deref().map_or("<missing>", |id| short_id(id, view.truncate))
}

fn since(row: &HistoryRow, clock: &Clock) -> String {
    row.created.map_or_else(|| "N/A".to_owned(), |created| clock.ago(created))
}

fn at(row: &HistoryRow, clock: &Clock) -> String {
    row.created.map_or_else(|| "N/A".to_owned(), |created| clock.rfc3339(created))
}

fn created_by(row: &HistoryRow, view: &HistoryView) -> String {
    let line = row.created_by.replace('\t', " ");
    if view.truncate { human::ellipsis(&line, 45) } else { line }
}

fn size(row: &HistoryRow, view: &HistoryView) -> String {
    if view.human { human::size(row.size, 3) } else { row.size.to_string() }
}

#[cfg(test)]
#[test]
fn history_for_people_and_programs() {
    let top = HistoryRow {
        id: Some(format!("sha256:{}", "a".repeat(64))),
        created: Some(1_000_000 - 7200),
        created_by: "/bin/sh -c #(nop)\tCMD [\"sh\" \"-c\" \"a long command line\"]".to_owned(),
        size: 0,
        comment: String::new(),
        tags: vec!["busybox:latest".to_owned()],
    };
    let base = HistoryRow {
        id: None,
        created: None,
        created_by: "ADD file".to_owned(),
        size: 4_261_502,
        comment: "imported".to_owned(),
        tags: Vec::new(),
    };
    let rows = [top, base];
    let clock = super::test_clock();
    let view = HistoryView { truncate: true, human: true, ..HistoryView::default() };
    let shown = |view: HistoryView| history(&rows, &view, &clock).unwrap();
    insta::assert_snapshot!("history", shown(view.clone()));
    insta::assert_snapshot!(
        "history_exact",
        shown(HistoryView { truncate: false, human: false, ..view.clone() })
    );
    insta::assert_snapshot!("history_json", shown(HistoryView { format: Format::Json, ..view.clone() }));
    assert_eq!(shown(HistoryView { quiet: true, ..view }), "aaaaaaaaaaaa\n<missing>\n");
}
