//! The list of volumes, and what was removed of them.

use engine::request::view::{PrunedVolumes, VolumeRow};
use serde_json::{Value, json};

use super::human;
use super::rows::{Heads, Row, formatted, labels, raw};
use super::table::table;
use crate::grammar::format::Format;
use crate::template;

/// How `volume ls` is shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VolumesView {
    pub format: Format,
    /// Names alone.
    pub quiet: bool,
}

/// Heads of all columns that a template may ask for.
const HEADS: &Heads = &[
    ("Availability", "AVAILABILITY"),
    ("Driver", "DRIVER"),
    ("Group", "GROUP"),
    ("Labels", "LABELS"),
    ("Links", "LINKS"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Name", "VOLUME NAME"),
    ("Scope", "SCOPE"),
    ("Size", "SIZE"),
    ("Status", "STATUS"),
];

/// What `--format raw` shows; with `--quiet` the first alone.
const RAW: &[(&str, &str)] = &[("name", "Name"), ("driver", "Driver")];

/// Returns the text of `volume ls`.
pub fn volumes(rows: &[VolumeRow], view: &VolumesView) -> template::Result<String> {
    let objects = rows.iter().map(|row| Row::labelled(object(row), &row.labels));
    if let Some(text) = formatted(&view.format, HEADS, objects)? {
        return Ok(text);
    }
    Ok(match view.format {
        Format::Raw => raw(rows.iter().map(object), if view.quiet { &RAW[..1] } else { RAW }),
        _ if view.quiet => rows.iter().map(|row| format!("{}\n", row.name)).collect(),
        _ => {
            let cells: Vec<_> = rows.iter().map(|row| vec![row.driver.clone(), row.name.clone()]).collect();
            table(&["DRIVER", "VOLUME NAME"], &cells)
        }
    })
}

fn object(row: &VolumeRow) -> Value {
    json!({
        "Availability": "N/A",
        "Driver": row.driver,
        "Group": "N/A",
        "Labels": labels(&row.labels),
        "Links": "N/A",
        "Mountpoint": row.mountpoint,
        "Name": row.name,
        "Scope": "local",
        "Size": "N/A",
        "Status": "N/A",
    })
}

/// Returns the text of `volume prune`.
pub fn pruned(pruned: &PrunedVolumes) -> String {
    let names: String = pruned.names.iter().map(|name| format!("{name}\n")).collect();
    let head = if names.is_empty() { String::new() } else { format!("Deleted Volumes:\n{names}\n") };
    format!("{head}Total reclaimed space: {}\n", human::size(pruned.bytes, 4))
}

#[cfg(test)]
#[test]
fn volumes_for_people_and_programs() {
    let row = |name: &str, labels: &[(&str, &str)]| VolumeRow {
        name: name.to_owned(),
        driver: "local".to_owned(),
        labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        mountpoint: format!("/v/{name}/_data"),
    };
    let rows = [row("db", &[("a", "b"), ("c", "")]), row("web", &[])];
    let shown = |format: &str, quiet| {
        let format = crate::grammar::format::parse_list(format).unwrap();
        volumes(&rows, &VolumesView { format, quiet }).unwrap()
    };
    assert_eq!(shown("", false), "DRIVER    VOLUME NAME\nlocal     db\nlocal     web\n");
    assert_eq!(shown("", true), "db\nweb\n");
    assert_eq!(shown("{{.Name}} {{.Label \"a\"}} {{.Labels}}", false), "db b a=b,c=\nweb  \n");
    assert_eq!(shown("raw", false), "name: db\ndriver: local\n\nname: web\ndriver: local\n\n");
    assert!(shown("json", false).contains(r#""Mountpoint":"/v/db/_data","Name":"db","Scope":"local""#));
    let gone = PrunedVolumes { names: vec!["db".into()], bytes: 1500 };
    assert_eq!(pruned(&gone), "Deleted Volumes:\ndb\n\nTotal reclaimed space: 1.5kB\n");
    assert_eq!(pruned(&PrunedVolumes::default()), "Total reclaimed space: 0B\n");
}
