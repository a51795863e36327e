//! The list of containers.

use engine::request::view::{ContainerRow, ContainerSize, ContainerState, PrunedContainers};
use serde_json::{Value, json};

use super::rows::{Heads, Row, formatted, labels, raw};
use super::table::table;
use super::{Clock, human, short_id};
use crate::grammar::format::Format;
use crate::template;
use crate::text::quoted_as_in_go;

/// How `ps` is shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PsView {
    pub format: Format,
    /// Ids alone.
    pub quiet: bool,
    pub truncate: bool,
    pub size: bool,
}

/// Heads of all columns that a template may ask for.
const HEADS: &Heads = &[
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("ImageDigest", "IMAGE DIGEST"),
    ("ImageID", "IMAGE ID"),
    ("TagMoved", "TAG MOVED"),
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("RunningFor", "CREATED"),
    ("State", "STATE"),
    ("Status", "STATUS"),
    ("Ports", "PORTS"),
    ("Names", "NAMES"),
    ("Labels", "LABELS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Mounts", "MOUNTS"),
    ("Networks", "NETWORKS"),
    ("Platform", "PLATFORM"),
    ("HealthStatus", "HEALTH STATUS"),
    ("Size", "SIZE"),
];

/// Returns the text of `ps`.
pub fn ps(rows: &[ContainerRow], view: &PsView, clock: &Clock) -> template::Result<String> {
    if view.format == Format::Raw {
        return Ok(raw(rows.iter().map(|row| object(row, view, clock)), raw_fields(view)));
    }
    if view.quiet {
        return Ok(rows.iter().map(|row| format!("{}\n", short_id(&row.id, view.truncate))).collect());
    }
    let objects = rows.iter().map(|row| Row::labelled(object(row, view, clock), &row.labels));
    Ok(match formatted(&view.format, HEADS, objects)? {
        Some(text) => text,
        None => columns(rows, view, clock),
    })
}

/// Returns what `--format raw` shows.
fn raw_fields(view: &PsView) -> &'static [(&'static str, &'static str)] {
    const ALL: &[(&str, &str)] = &[
        ("container_id", "ID"),
        ("image", "Image"),
        ("command", "Command"),
        ("created_at", "CreatedAt"),
        ("state", "State"),
        ("status", "Status"),
        ("names", "Names"),
        ("labels", "Labels"),
        ("ports", "Ports"),
        ("size", "Size"),
    ];
    match () {
        () if view.quiet => &ALL[..1],
        () if view.size => ALL,
        () => &ALL[..ALL.len() - 1],
    }
}

/// Returns the text of `container prune`.
pub fn pruned_containers(pruned: &PrunedContainers) -> String {
    let ids: String = pruned.ids.iter().map(|id| format!("{id}\n")).collect();
    let head = if ids.is_empty() { String::new() } else { format!("Deleted Containers:\n{ids}\n") };
    format!("{head}Total reclaimed space: {}\n", human::size(pruned.bytes, 4))
}

fn columns(rows: &[ContainerRow], view: &PsView, clock: &Clock) -> String {
    let mut head = vec!["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"];
    if view.size {
        head.push("SIZE");
    }
    let cells = rows.iter().map(|row| {
        let mut cells = vec![
            short_id(&row.id, view.truncate).to_owned(),
            image(&row.image, view.truncate),
            command(&row.command, view.truncate),
            clock.ago(row.created),
            status(row, clock),
            row.ports.clone(),
            row.names.join(","),
        ];
        if view.size {
            cells.push(size(row.size));
        }
        cells
    });
    table(&head, &cells.collect::<Vec<_>>())
}

fn object(row: &ContainerRow, view: &PsView, clock: &Clock) -> Value {
    json!({
        "ID": short_id(&row.id, view.truncate),
        "Image": image(&row.image, view.truncate),
        "ImageDigest": row.digest.clone().unwrap_or_default(),
        "ImageID": short_id(&row.image_id, view.truncate),
        "TagMoved": row.tag_moved.to_string(),
        "Command": command(&row.command, view.truncate),
        "CreatedAt": clock.date(row.created),
        "RunningFor": clock.ago(row.created),
        "State": row.state.word(),
        "Status": status(row, clock),
        "Ports": row.ports,
        "Names": row.names.join(","),
        "Labels": labels(&row.labels),
        "LocalVolumes": row.local_volumes.to_string(),
        "Mounts": mounts(&row.mounts, view.truncate),
        "Networks": row.networks.join(","),
        "Platform": row.platform,
        "HealthStatus": row.health.unwrap_or_default(),
        "Size": size(row.size),
    })
}

/// An image named by its id is cut like one; a digest behind a tag is left out.
fn image(image: &str, truncate: bool) -> String {
    if image.is_empty() {
        return "<no image>".to_owned();
    }
    let bare = image.strip_prefix("sha256:").unwrap_or(image);
    let is_id = bare.len() == 64 && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
    match image.split_once('@') {
        _ if !truncate => image.to_owned(),
        _ if is_id => short_id(image, true).to_owned(),
        Some((name, _)) if name.rsplit('/').next().is_some_and(|last| last.contains(':')) => name.to_owned(),
        _ => image.to_owned(),
    }
}

/// Quotes the command in Go's way; an argument with blanks stands in single quotes.
pub(super) fn command(words: &[String], truncate: bool) -> String {
    let word = |(index, word): (usize, &String)| match index > 0 && word.contains(' ') {
        true => format!("'{word}'"),
        false => word.clone(),
    };
    let line = words.iter().enumerate().map(word).collect::<Vec<_>>().join(" ");
    quoted_as_in_go(&if truncate { human::ellipsis(&line, 20) } else { line })
}

pub(super) fn status(row: &ContainerRow, clock: &Clock) -> String {
    let note = row.degraded.as_ref().map(|fault| format!(" (network degraded: {fault})"));
    let health = match (row.state, row.health) {
        (ContainerState::Running { .. }, Some("starting")) => " (health: starting)".to_owned(),
        (ContainerState::Running { .. }, Some(word)) => format!(" ({word})"),
        _ => String::new(),
    };
    state(row.state, clock) + &health + &note.unwrap_or_default()
}

fn state(state: ContainerState, clock: &Clock) -> String {
    match state {
        ContainerState::Created => "Created".to_owned(),
        ContainerState::Running { since } => format!("Up {}", human::duration(clock.now - since)),
        ContainerState::Paused { since } => format!("Up {} (Paused)", human::duration(clock.now - since)),
        ContainerState::Restarting { code, since } => format!("Restarting ({code}) {}", clock.ago(since)),
        ContainerState::Removing => "Removal In Progress".to_owned(),
        ContainerState::Exited { code, at } => format!("Exited ({code}) {}", clock.ago(at)),
        ContainerState::Dead => "Dead".to_owned(),
    }
}

fn size(size: Option<ContainerSize>) -> String {
    let Some(ContainerSize { writable, total }) = size else { return "0B".to_owned() };
    match total {
        0 => human::size(writable, 3),
        total => format!("{} (virtual {})", human::size(writable, 3), human::size(total, 3)),
    }
}

fn mounts(mounts: &[String], truncate: bool) -> String {
    let cut = |mount: &String| if truncate { human::ellipsis(mount, 15) } else { mount.clone() };
    mounts.iter().map(cut).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::test_clock;
    use super::*;
    use crate::grammar::format;

    fn row(digit: &str, command: &[&str], state: ContainerState, name: &str) -> ContainerRow {
        ContainerRow {
            id: digit.repeat(64),
            names: vec![name.to_owned()],
            image: "busybox".to_owned(),
            image_id: format!("sha256:{}", "9".repeat(64)),
            digest: None,
            tag_moved: false,
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            created: 1_000_000 - 150,
            state,
            labels: BTreeMap::from([("a".to_owned(), "b".to_owned()), ("c".to_owned(), String::new())]),
            local_volumes: 0,
            mounts: vec!["/a/rather/long/path".to_owned()],
            networks: vec!["none".to_owned()],
            ports: String::new(),
            platform: Some("linux/amd64".to_owned()),
            size: Some(ContainerSize { writable: 1_234, total: 4_260_000 }),
            health: None,
            degraded: None,
        }
    }

    fn rows() -> Vec<ContainerRow> {
        let mut by_id = row("c", &["top"], ContainerState::Created, "third");
        by_id.image = format!("sha256:{}", "9".repeat(64));
        vec![
            row(
                "a",
                &["sh", "-c", "echo \"hi\"; sleep 1000"],
                ContainerState::Running { since: 999_997 },
                "first",
            ),
            row("b", &["sh"], ContainerState::Exited { code: 137, at: 999_880 }, "second"),
            by_id,
            row("d", &["a\tb"], ContainerState::Paused { since: 999_700 }, "fourth"),
        ]
    }

    #[test]
    fn for_people() {
        let view = PsView { truncate: true, ..PsView::default() };
        insta::assert_snapshot!("ps", ps(&rows(), &view, &test_clock()).unwrap());
        insta::assert_snapshot!("ps_empty", ps(&[], &view, &test_clock()).unwrap());
        let view = PsView { size: true, ..PsView::default() };
        insta::assert_snapshot!("ps_no_trunc_size", ps(&rows()[..1], &view, &test_clock()).unwrap());
    }

    #[test]
    fn for_programs() {
        let view = PsView { truncate: true, quiet: true, ..PsView::default() };
        assert_eq!(ps(&rows()[..2], &view, &test_clock()).unwrap(), "aaaaaaaaaaaa\nbbbbbbbbbbbb\n");
        let raw = PsView { truncate: true, size: true, format: Format::Raw, ..PsView::default() };
        insta::assert_snapshot!("ps_raw", ps(&rows()[..2], &raw, &test_clock()).unwrap());
        let quiet = PsView { quiet: true, ..raw };
        assert_eq!(ps(&rows()[..1], &quiet, &test_clock()).unwrap(), "container_id: aaaaaaaaaaaa\n");
        let view = PsView { truncate: true, format: Format::Json, ..PsView::default() };
        insta::assert_snapshot!("ps_json", ps(&rows()[..1], &view, &test_clock()).unwrap());
    }

    #[test]
    fn by_template() {
        let shown = |text: &str| {
            let format = format::parse_rows(text).unwrap();
            ps(&rows()[..2], &PsView { truncate: true, format, ..PsView::default() }, &test_clock())
        };
        assert_eq!(shown(r"{{.ID}}\t{{.Names}}").unwrap(), "aaaaaaaaaaaa\tfirst\nbbbbbbbbbbbb\tsecond\n");
        assert_eq!(
            shown(r#"table {{.Names}}\t{{.Label "a"}}\t{{upper .State}}"#).unwrap(),
            "NAMES     a         STATE\nfirst     b         RUNNING\nsecond    b         EXITED\n"
        );
        let error = shown("{{.Name}}").unwrap_err();
        assert_eq!(error.to_string(), "template `{{.Name}}`, column 3: there is no field `Name`");
        assert_eq!(error.hint_text(), Some("did you mean .Names?"));
    }

    #[test]
    fn what_was_pruned() {
        let gone = PrunedContainers { ids: vec!["ab".into(), "cd".into()], bytes: 1500 };
        assert_eq!(pruned_containers(&gone), "Deleted Containers:\nab\ncd\n\nTotal reclaimed space: 1.5kB\n");
        assert_eq!(pruned_containers(&PrunedContainers::default()), "Total reclaimed space: 0B\n");
    }

    #[test]
    fn health_stands_behind_the_time() {
        let shown = |state, health| {
            let row = ContainerRow { health, ..row("a", &["sh"], state, "name") };
            status(&row, &test_clock())
        };
        let running = ContainerState::Running { since: 999_997 };
        assert_eq!(shown(running, Some("starting")), "Up 3 seconds (health: starting)");
        assert_eq!(shown(running, Some("unhealthy")), "Up 3 seconds (unhealthy)");
        assert_eq!(shown(running, None), "Up 3 seconds");
        assert_eq!(
            shown(ContainerState::Paused { since: 999_997 }, Some("healthy")),
            "Up 3 seconds (Paused)"
        );
    }

    #[test]
    fn images_of_containers() {
        let digest = format!("sha256:{}", "9".repeat(64));
        assert_eq!(image(&format!("host:5000/a:1@{digest}"), true), "host:5000/a:1");
        assert_eq!(image(&format!("host:5000/a@{digest}"), true), format!("host:5000/a@{digest}"));
        assert_eq!(image("", true), "<no image>");
    }
}
