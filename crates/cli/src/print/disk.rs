//! What takes the disk, and what was freed.

use engine::request::{DiskRow, DiskUsage, PrunedImages, PrunedSystem};
use serde_json::json;

use super::containers::command;
use super::rows::{Heads, Row, formatted};
use super::table::table;
use super::{Clock, containers, human, short_id};
use crate::grammar::format::Format;
use crate::template;

/// How `system df` is shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DiskView {
    pub format: Format,
    /// Thing by thing.
    pub verbose: bool,
}

const HEADS: &Heads = &[
    ("Active", "ACTIVE"),
    ("Reclaimable", "RECLAIMABLE"),
    ("Size", "SIZE"),
    ("TotalCount", "TOTAL"),
    ("Type", "TYPE"),
];

/// Returns the text of `system df`.
pub fn disk(usage: &DiskUsage, view: &DiskView, clock: &Clock) -> template::Result<String> {
    let objects = usage.rows.iter().map(|row| {
        Row::new(json!({
            "Active": row.active.to_string(),
            "Reclaimable": reclaimable(row),
            "Size": human::size(row.size, 4),
            "TotalCount": row.total.to_string(),
            "Type": row.kind,
        }))
    });
    if let Some(text) = formatted(&view.format, HEADS, objects)? {
        return Ok(text);
    }
    if view.verbose {
        return Ok(verbose(usage, clock));
    }
    let cells = |row: &DiskRow| {
        let size = human::size(row.size, 4);
        vec![row.kind.to_owned(), row.total.to_string(), row.active.to_string(), size, reclaimable(row)]
    };
    let head = ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"];
    Ok(table(&head, &usage.rows.iter().map(cells).collect::<Vec<_>>()))
}

fn reclaimable(row: &DiskRow) -> String {
    let bytes = human::size(row.reclaimable, 4);
    match row.size {
        0 => bytes,
        size => format!("{bytes} ({}%)", row.reclaimable * 100 / size),
    }
}

fn verbose(usage: &DiskUsage, clock: &Clock) -> String {
    let or_none = |text: Option<&String>| text.cloned().unwrap_or_else(|| "<none>".to_owned());
    let images = usage.images.iter().map(|image| {
        vec![
            or_none(image.row.repository.as_ref()),
            or_none(image.row.tag.as_ref()),
            short_id(&image.row.id, true).to_owned(),
            image.row.created.map_or_else(|| "N/A".to_owned(), |created| clock.ago(created)),
            human::size(image.row.size, 3),
            human::size(image.shared, 3),
            human::size(image.own, 3),
            image.containers.to_string(),
        ]
    });
    let head =
        ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"];
    let mut text = format!("Images space usage:\n\n{}", table(&head, &images.collect::<Vec<_>>()));
    let rows = usage.containers.iter().map(|container| {
        let row = &container.row;
        vec![
            short_id(&row.id, true).to_owned(),
            row.image.clone(),
            command(&row.command, true),
            row.local_volumes.to_string(),
            human::size(container.size, 3),
            clock.ago(row.created),
            containers::status(row, clock),
            row.names.join(","),
        ]
    });
    let head = ["CONTAINER ID", "IMAGE", "COMMAND", "LOCAL VOLUMES", "SIZE", "CREATED", "STATUS", "NAMES"];
    text += &format!("\nContainers space usage:\n\n{}", table(&head, &rows.collect::<Vec<_>>()));
    let volumes = usage
        .volumes
        .iter()
        .map(|volume| vec![volume.name.clone(), volume.links.to_string(), human::size(volume.size, 4)]);
    let head = ["VOLUME NAME", "LINKS", "SIZE"];
    text += &format!("\nLocal Volumes space usage:\n\n{}", table(&head, &volumes.collect::<Vec<_>>()));
    let size = |kind: &str| usage.rows.iter().find(|row| row.kind == kind).map_or(0, |row| row.size);
    text += &format!("\nBuild cache usage: {}\n", human::size(size("Build Cache"), 4));
    text + &format!(
        "\nEngine (locks, names, caches, what is half made): {}\n",
        human::size(size("Engine"), 4)
    )
}

/// Returns the text of `image prune`.
pub fn pruned_images(pruned: &PrunedImages) -> String {
    section("Deleted Images", &pruned.lines) + &freed(pruned.bytes)
}

/// Returns the text of `system prune`.
pub fn pruned_system(pruned: &PrunedSystem) -> String {
    section("Deleted Containers", &pruned.containers)
        + &section("Deleted Networks", &pruned.networks)
        + &section("Deleted Volumes", &pruned.volumes)
        + &section("Deleted Images", &pruned.images)
        + &freed(pruned.bytes)
}

fn section(head: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    format!("{head}:\n{}\n", lines.iter().map(|line| format!("{line}\n")).collect::<String>())
}

fn freed(bytes: u64) -> String {
    format!("Total reclaimed space: {}\n", human::size(bytes, 4))
}

#[cfg(test)]
#[test]
fn what_was_freed() {
    let pruned = PrunedSystem {
        containers: vec!["ab".into()],
        images: vec!["deleted: sha256:cd".into()],
        bytes: 1_500_000,
        ..PrunedSystem::default()
    };
    assert_eq!(
        pruned_system(&pruned),
        "Deleted Containers:\nab\n\nDeleted Images:\ndeleted: sha256:cd\n\nTotal reclaimed space: 1.5MB\n"
    );
    assert_eq!(pruned_images(&PrunedImages::default()), "Total reclaimed space: 0B\n");
    let row = DiskRow { kind: "Images", total: 2, active: 1, size: 2_000_000, reclaimable: 500_000 };
    assert_eq!(reclaimable(&row), "500kB (25%)");
}
