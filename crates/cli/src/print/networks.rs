//! The list of networks, and what was removed of them.

use engine::request::view::NetworkRow;
use serde_json::{Value, json};

use super::rows::{Heads, Row, formatted, labels, raw};
use super::table::table;
use super::{Clock, short_id};
use crate::grammar::format::Format;
use crate::template;

/// How `network ls` is shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NetworksView {
    pub format: Format,
    /// Ids alone.
    pub quiet: bool,
    pub truncate: bool,
}

/// Heads of all columns that a template may ask for.
const HEADS: &Heads = &[
    ("CreatedAt", "CREATED AT"),
    ("Driver", "DRIVER"),
    ("ID", "NETWORK ID"),
    ("IPv4", "IPV4"),
    ("IPv6", "IPV6"),
    ("Internal", "INTERNAL"),
    ("Labels", "LABELS"),
    ("Name", "NAME"),
    ("Scope", "SCOPE"),
];

/// Every network is of this machine alone.
const SCOPE: &str = "local";

/// What `--format raw` shows; with `--quiet` the first alone.
const RAW: &[(&str, &str)] =
    &[("network_id", "ID"), ("name", "Name"), ("driver", "Driver"), ("scope", "Scope")];

/// Returns the text of `network ls`.
pub fn networks(rows: &[NetworkRow], view: &NetworksView, clock: &Clock) -> template::Result<String> {
    let objects = rows.iter().map(|row| Row::labelled(object(row, view, clock), &row.labels));
    if let Some(text) = formatted(&view.format, HEADS, objects)? {
        return Ok(text);
    }
    Ok(match view.format {
        Format::Raw => {
            raw(rows.iter().map(|row| object(row, view, clock)), if view.quiet { &RAW[..1] } else { RAW })
        }
        _ if view.quiet => rows.iter().map(|row| format!("{}\n", short_id(&row.id, view.truncate))).collect(),
        _ => {
            let cells = rows.iter().map(|row| {
                let id = short_id(&row.id, view.truncate).to_owned();
                vec![id, row.name.clone(), row.driver.clone(), SCOPE.to_owned()]
            });
            table(&["NETWORK ID", "NAME", "DRIVER", "SCOPE"], &cells.collect::<Vec<_>>())
        }
    })
}

fn object(row: &NetworkRow, view: &NetworksView, clock: &Clock) -> Value {
    json!({
        "CreatedAt": clock.date_of_nanos(row.created),
        "Driver": row.driver,
        "ID": short_id(&row.id, view.truncate),
        "IPv4": "true",
        "IPv6": row.ipv6.to_string(),
        "Internal": row.internal.to_string(),
        "Labels": labels(&row.labels),
        "Name": row.name,
        "Scope": SCOPE,
    })
}

/// Returns the text of `network prune`.
pub fn pruned_networks(names: &[String]) -> String {
    let lines: String = names.iter().map(|name| format!("{name}\n")).collect();
    if lines.is_empty() { lines } else { format!("Deleted Networks:\n{lines}\n") }
}

#[cfg(test)]
#[test]
fn networks_for_people_and_programs() {
    let row = |digit: &str, name: &str, driver: &str, labels: &[(&str, &str)]| NetworkRow {
        id: digit.repeat(64),
        name: name.to_owned(),
        driver: driver.to_owned(),
        ipv6: !labels.is_empty(),
        internal: false,
        labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        created: 1_000_000_250_000_000,
    };
    let rows = [row("a", "bridge", "bridge", &[]), row("b", "web", "macvlan", &[("a", "b"), ("c", "")])];
    let shown = |format: &str, quiet, truncate| {
        let format = crate::grammar::format::parse_list(format).unwrap();
        networks(&rows, &NetworksView { format, quiet, truncate }, &super::test_clock()).unwrap()
    };
    assert_eq!(
        shown("", false, true),
        "NETWORK ID     NAME      DRIVER    SCOPE\n\
         aaaaaaaaaaaa   bridge    bridge    local\n\
         bbbbbbbbbbbb   web       macvlan   local\n"
    );
    assert_eq!(shown("", true, true), "aaaaaaaaaaaa\nbbbbbbbbbbbb\n");
    assert_eq!(shown("", true, false).len(), 2 * 65);
    assert_eq!(shown("{{.Name}} {{.Label \"a\"}} {{.Labels}}", false, true), "bridge  \nweb b a=b,c=\n");
    assert_eq!(
        shown("json", false, true).lines().nth(1).unwrap(),
        r#"{"CreatedAt":"1970-01-12 13:46:40.25 +0000 UTC","Driver":"macvlan","ID":"bbbbbbbbbbbb","IPv4":"true","IPv6":"true","Internal":"false","Labels":"a=b,c=","Name":"web","Scope":"local"}"#
    );
    assert_eq!(
        shown("raw", false, true).split_once("\n\n").unwrap().0,
        "network_id: aaaaaaaaaaaa\nname: bridge\ndriver: bridge\nscope: local"
    );
    assert_eq!(shown("raw", true, true), "network_id: aaaaaaaaaaaa\nnetwork_id: bbbbbbbbbbbb\n");
    assert_eq!(shown("{{.Name}}", true, true), "bridge\nweb\n", "a format counts more than --quiet");
    assert_eq!(
        shown("table {{.Name}}\\t{{.Driver}}\\n{{.Scope}}", false, true),
        "NAME      DRIVER\nSCOPE\nbridge    bridge\nlocal\nweb       macvlan\nlocal\n"
    );
    assert_eq!(pruned_networks(&["web".into()]), "Deleted Networks:\nweb\n\n");
    assert_eq!(pruned_networks(&[]), "");
}
