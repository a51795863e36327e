//! The list of images.

use engine::request::view::ImageRow;
use serde_json::json;

use super::rows::{Heads, Row, formatted, raw};
use super::table::table;
use super::{Clock, human, short_id};
use crate::grammar::format::Format;
use crate::template;

/// How `images` is shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImagesView {
    pub format: Format,
    /// Ids alone.
    pub quiet: bool,
    pub truncate: bool,
    pub digests: bool,
}

/// Heads of all columns that a template may ask for.
const HEADS: &Heads = &[
    ("Containers", "CONTAINERS"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedSince", "CREATED"),
    ("Digest", "DIGEST"),
    ("ID", "IMAGE ID"),
    ("Repository", "REPOSITORY"),
    ("SharedSize", "SHARED SIZE"),
    ("Size", "SIZE"),
    ("Tag", "TAG"),
    ("UniqueSize", "UNIQUE SIZE"),
    ("VirtualSize", "SIZE"),
];

/// Returns the text of `images`.
pub fn images(rows: &[ImageRow], view: &ImagesView, clock: &Clock) -> template::Result<String> {
    let objects = rows.iter().map(|row| Row::new(object(row, view, clock)));
    if let Some(text) = formatted(&view.format, HEADS, objects)? {
        return Ok(text);
    }
    let objects = rows.iter().map(|row| object(row, view, clock));
    Ok(match view.format {
        Format::Raw => raw(objects, raw_fields(view)),
        _ if view.quiet => rows.iter().map(|row| format!("{}\n", short_id(&row.id, view.truncate))).collect(),
        _ => columns(rows, view, clock),
    })
}

/// Returns what `--format raw` shows.
fn raw_fields(view: &ImagesView) -> &'static [(&'static str, &'static str)] {
    const PLAIN: &[(&str, &str)] = &[
        ("repository", "Repository"),
        ("tag", "Tag"),
        ("image_id", "ID"),
        ("created_at", "CreatedAt"),
        ("virtual_size", "Size"),
    ];
    const DIGESTS: &[(&str, &str)] =
        &[PLAIN[0], PLAIN[1], ("digest", "Digest"), PLAIN[2], PLAIN[3], PLAIN[4]];
    match () {
        () if view.quiet => &PLAIN[2..3],
        () if view.digests => DIGESTS,
        () => PLAIN,
    }
}

fn columns(rows: &[ImageRow], view: &ImagesView, clock: &Clock) -> String {
    let mut head = vec!["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"];
    if view.digests {
        head.insert(2, "DIGEST");
    }
    let cells = rows.iter().map(|row| {
        let mut cells = vec![
            or_none(row.repository.as_deref()),
            or_none(row.tag.as_deref()),
            short_id(&row.id, view.truncate).to_owned(),
            row.created.map_or_else(|| "N/A".to_owned(), |created| clock.ago(created)),
            human::size(row.size, 3),
        ];
        if view.digests {
            cells.insert(2, or_none(row.digest.as_deref()));
        }
        cells
    });
    table(&head, &cells.collect::<Vec<_>>())
}

fn object(row: &ImageRow, view: &ImagesView, clock: &Clock) -> serde_json::Value {
    json!({
        "Containers": "N/A",
        "CreatedAt": row.created.map_or_else(|| "N/A".to_owned(), |created| clock.date(created)),
        "CreatedSince": row.created.map_or_else(|| "N/A".to_owned(), |created| clock.ago(created)),
        "Digest": or_none(row.digest.as_deref()),
        "ID": short_id(&row.id, view.truncate),
        "Repository": or_none(row.repository.as_deref()),
        "SharedSize": "N/A",
        "Size": human::size(row.size, 3),
        "Tag": or_none(row.tag.as_deref()),
        "UniqueSize": "N/A",
        "VirtualSize": human::size(row.size, 4),
    })
}

fn or_none(text: Option<&str>) -> String {
    text.unwrap_or("<none>").to_owned()
}

#[cfg(test)]
#[test]
fn images_for_people_and_programs() {
    let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
    let busybox = ImageRow {
        id: digest("a"),
        repository: Some("busybox".to_owned()),
        tag: Some("latest".to_owned()),
        digest: Some(digest("b")),
        created: Some(1_000_000 - 5 * 7 * 24 * 3600),
        size: 4_261_502,
    };
    let nameless =
        ImageRow { repository: None, tag: None, digest: None, created: None, size: 0, ..busybox.clone() };
    let rows = [busybox, nameless];
    let clock = super::test_clock();
    let view = ImagesView { truncate: true, ..ImagesView::default() };
    let shown = |view: ImagesView| images(&rows, &view, &clock).unwrap();
    insta::assert_snapshot!("images", shown(view.clone()));
    insta::assert_snapshot!("images_digests", shown(ImagesView { digests: true, ..view.clone() }));
    insta::assert_snapshot!("images_json", shown(ImagesView { format: Format::Json, ..view.clone() }));
    insta::assert_snapshot!(
        "images_raw",
        shown(ImagesView { format: Format::Raw, digests: true, ..view.clone() })
    );
    let quiet = ImagesView { quiet: true, truncate: false, ..view };
    assert_eq!(images(&rows[..1], &quiet, &clock).unwrap(), format!("{}\n", digest("a")));
}
