//! The layers of an image, and the layers that images share.

use engine::image::{ChangeKind, Forest, ImageRecord, LayerReport};
use serde_json::{Value, json};

use super::rows::{Heads, Row, formatted};
use super::table::table;
use super::{human, short_id};
use crate::grammar::format::Format;
use crate::template;

/// How `image layers` is shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LayersView {
    pub format: Format,
    /// The files of each layer.
    pub files: bool,
    pub truncate: bool,
}

const HEADS: &Heads = &[
    ("Added", "ADDED"),
    ("Changed", "CHANGED"),
    ("Comment", "COMMENT"),
    ("CreatedBy", "CREATED BY"),
    ("Deleted", "DELETED"),
    ("DiffID", "DIFF ID"),
    ("Disk", "ON DISK"),
    ("ID", "LAYER"),
    ("Size", "SIZE"),
    ("Wasted", "WASTED"),
];

/// Returns the text of `image layers`; the topmost layer comes first, as in `history`.
pub fn layers(image: &ImageRecord, reports: &[LayerReport], view: &LayersView) -> template::Result<String> {
    let objects = reports.iter().rev().map(|report| Row::new(object(report, view)));
    if let Some(text) = formatted(&view.format, HEADS, objects)? {
        return Ok(text);
    }
    let head = ["LAYER", "CREATED BY", "SIZE", "ADDED", "CHANGED", "DELETED", "WASTED"];
    let cells = |report: &LayerReport| {
        vec![
            short_id(&report.layer.chain_id.to_string(), view.truncate).to_owned(),
            created_by(report, view),
            human::size(report.layer.size, 3),
            report.added.to_string(),
            report.changed.to_string(),
            report.deleted.to_string(),
            human::size(report.wasted, 3),
        ]
    };
    let mut text = table(&head, &reports.iter().rev().map(cells).collect::<Vec<_>>());
    if view.files {
        reports.iter().rev().for_each(|report| text.push_str(&files(report, view)));
    }
    let wasted: u64 = reports.iter().map(|report| report.wasted).sum();
    if wasted > 0 {
        text.push_str(&format!(
            "\n{} of {} are never seen: later layers replace or delete them, and they are carried along\n",
            human::size(wasted, 3),
            human::size(image.size, 3)
        ));
    }
    Ok(text)
}

fn files(report: &LayerReport, view: &LayersView) -> String {
    let id = report.layer.chain_id.to_string();
    let mut text = format!("\n{}: {}\n", short_id(&id, view.truncate), created_by(report, view));
    for file in &report.files {
        let letter = match file.kind {
            ChangeKind::Added => 'A',
            ChangeKind::Modified => 'C',
            ChangeKind::Deleted => 'D',
        };
        let size = if file.kind == ChangeKind::Deleted { String::new() } else { human::size(file.size, 3) };
        let wasted = if file.wasted { "  (wasted)" } else { "" };
        text.push_str(&format!("{letter} {size:>8} /{}{wasted}\n", file.path.display()));
    }
    text
}

fn created_by(report: &LayerReport, view: &LayersView) -> String {
    let line = match report.created_by.is_empty() {
        true => report.comment.replace('\t', " "),
        false => report.created_by.replace('\t', " "),
    };
    if view.truncate { human::ellipsis(&line, 45) } else { line }
}

fn object(report: &LayerReport, view: &LayersView) -> Value {
    let mut object = json!({
        "Added": report.added,
        "Changed": report.changed,
        "Comment": report.comment,
        "CreatedBy": report.created_by,
        "Deleted": report.deleted,
        "DiffID": report.layer.diff_id.to_string(),
        "Disk": report.disk,
        "ID": short_id(&report.layer.chain_id.to_string(), view.truncate),
        "Size": report.layer.size,
        "Wasted": report.wasted,
    });
    if view.files {
        let file = |file: &engine::image::LayerFile| {
            json!({
                "Path": format!("/{}", file.path.display()),
                "Kind": format!("{:?}", file.kind),
                "Size": file.size,
                "Wasted": file.wasted,
            })
        };
        object["Files"] = report.files.iter().map(file).collect();
    }
    object
}

/// Returns the text of `image tree`: layers with what they take on disk, then what each image costs.
pub fn image_tree(forest: &Forest, truncate: bool) -> String {
    let mut rows = Vec::new();
    let roots = (0..forest.layers.len()).filter(|at| forest.layers[*at].parent.is_none());
    roots.for_each(|root| branch(forest, root, ("", ""), truncate, &mut rows));
    let mut text = table(&["LAYER", "ON DISK", "IMAGES"], &rows);
    let cost = |cost: &engine::image::ImageCost| {
        let image = &cost.summary.image;
        vec![
            names(cost, truncate),
            short_id(&image.id.to_string(), truncate).to_owned(),
            human::size(cost.own + cost.shared, 3),
            human::size(cost.shared, 3),
            human::size(cost.own, 3),
        ]
    };
    text.push('\n');
    text.push_str(&table(
        &["IMAGE", "IMAGE ID", "ON DISK", "SHARED", "ITS OWN"],
        &forest.images.iter().map(cost).collect::<Vec<_>>(),
    ));
    text
}

/// Puts a layer and those above it into rows; `lead` is what stands before it and before what lies on it.
fn branch(forest: &Forest, at: usize, lead: (&str, &str), truncate: bool, rows: &mut Vec<Vec<String>>) {
    let node = &forest.layers[at];
    let id = node.layer.chain_id.to_string();
    let images: Vec<String> =
        node.images.iter().map(|image| names(&forest.images[*image], truncate)).collect();
    rows.push(vec![
        format!("{}{}", lead.0, short_id(&id, truncate)),
        human::size(node.disk, 3),
        images.join(", "),
    ]);
    let above: Vec<usize> =
        (0..forest.layers.len()).filter(|other| forest.layers[*other].parent == Some(at)).collect();
    // A layer with one upon it needs no branch.
    if let [only] = above[..] {
        let (first, rest) = (format!("{}└─ ", lead.1), format!("{}   ", lead.1));
        return branch(forest, only, (&first, &rest), truncate, rows);
    }
    for (number, child) in above.iter().enumerate() {
        let last = number + 1 == above.len();
        let first = format!("{}{}", lead.1, if last { "└─ " } else { "├─ " });
        let rest = format!("{}{}", lead.1, if last { "   " } else { "│  " });
        branch(forest, *child, (&first, &rest), truncate, rows);
    }
}

fn names(cost: &engine::image::ImageCost, truncate: bool) -> String {
    let names: Vec<String> = cost.summary.references.iter().map(|name| name.familiar().to_string()).collect();
    match names.is_empty() {
        true => short_id(&cost.summary.image.id.to_string(), truncate).to_owned(),
        false => names.join(", "),
    }
}
