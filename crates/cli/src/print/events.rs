//! Events, a line each.

use engine::{Event, EventKind};
use serde_json::{Value, json};

use super::Clock;
use crate::grammar::format::Format;
use crate::template;

/// Returns the line of an event.
pub fn event(event: &Event, format: &Format, clock: &Clock) -> template::Result<String> {
    Ok(match format {
        Format::Text | Format::Raw => format!("{}\n", plain(event, clock)),
        Format::Json => format!("{}\n", document(event)),
        // JSON has other names than templates, also where a template asks for it.
        Format::Template(template) if template.is_json() => format!("{}\n", document(event)),
        Format::Template(template) | Format::Table(template) => template.render(&fields(event))? + "\n",
    })
}

/// `TIME TYPE ACTION ID (attributes, by name)`
fn plain(event: &Event, clock: &Clock) -> String {
    let time = clock.rfc3339_of_nanos(event.time);
    let attributes: Vec<_> = event.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let (kind, action, id) = (event.kind.word(), &event.action, &event.id);
    match attributes.is_empty() {
        true => format!("{time} {kind} {action} {id}"),
        false => format!("{time} {kind} {action} {id} ({})", attributes.join(", ")),
    }
}

/// As the Engine API writes it.
fn document(event: &Event) -> Value {
    let mut document = json!({
        "Type": event.kind.word(),
        "Action": event.action,
        "Actor": { "ID": event.id, "Attributes": event.attributes },
        "scope": "local",
        "time": event.time.div_euclid(1_000_000_000),
        "timeNano": event.time,
    });
    if let Some((status, id, from)) = older(event) {
        document["status"] = status.into();
        document["id"] = id.into();
        if !from.is_empty() {
            document["from"] = from.into();
        }
    }
    document
}

/// As a template names it.
fn fields(event: &Event) -> Value {
    let (status, id, from) = older(event).unwrap_or_default();
    json!({
        "Type": event.kind.word(),
        "Action": event.action,
        "Actor": { "ID": event.id, "Attributes": event.attributes },
        "Scope": "local",
        "Time": event.time.div_euclid(1_000_000_000),
        "TimeNano": event.time,
        "Status": status,
        "ID": id,
        "From": from,
    })
}

/// The fields of Docker's first form: of containers and images.
fn older(event: &Event) -> Option<(&str, &str, &str)> {
    let from = match event.kind {
        EventKind::Container => event.attributes.get("image").map_or("", String::as_str),
        EventKind::Image => "",
        EventKind::Network | EventKind::Volume => return None,
    };
    Some((&event.action, &event.id, from))
}

#[cfg(test)]
#[test]
fn lines() {
    use std::collections::BTreeMap;

    let attributes = [("name", "web"), ("image", "busybox")];
    let attributes: BTreeMap<_, _> =
        attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let at = |mut event: Event| {
        event.time = 1_000_000_000_000_000_042;
        event
    };
    let start = at(Event::now(EventKind::Container, "start", "abc", attributes));
    let untold = at(Event::now(EventKind::Volume, "destroy", "data", BTreeMap::new()));
    let shown = |one: &Event, format: &str| {
        event(one, &crate::grammar::format::parse(format).unwrap(), &super::test_clock()).unwrap()
    };
    assert_eq!(
        shown(&start, ""),
        "2001-09-09T01:46:40.000000042Z container start abc (image=busybox, name=web)\n"
    );
    assert_eq!(shown(&untold, ""), "2001-09-09T01:46:40.000000042Z volume destroy data\n");
    assert_eq!(
        shown(
            &start,
            "{{.Time}} {{.TimeNano}} {{.Type}} {{.Action}} {{.Actor.ID}} {{.Actor.Attributes.name}}"
        ),
        "1000000000 1000000000000000042 container start abc web\n"
    );
    assert_eq!(shown(&start, "{{.ID}}:{{.Status}}:{{.From}}:{{.Scope}}"), "abc:start:busybox:local\n");
    // A label that only some have is no mistake.
    assert_eq!(shown(&start, "{{.Actor.Attributes.tier}}"), "<no value>\n");
    assert_eq!(
        shown(&start, "json"),
        "{\"Action\":\"start\",\"Actor\":{\"Attributes\":{\"image\":\"busybox\",\"name\":\"web\"},\"ID\":\"abc\"},\
         \"Type\":\"container\",\"from\":\"busybox\",\"id\":\"abc\",\"scope\":\"local\",\"status\":\"start\",\
         \"time\":1000000000,\"timeNano\":1000000000000000042}\n"
    );
}
