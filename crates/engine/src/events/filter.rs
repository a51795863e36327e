//! Which events are asked for, by Docker's rules: of several values of one filter any holds, of several filters all.

use supervisor::events::{Event, Kind};

use crate::request::EventsRequest;

/// Actions that go on after a colon, and are found by what stands before it.
const WITH_DETAILS: [&str; 3] = ["exec_create", "exec_start", "health_status"];

pub(super) fn matches(request: &EventsRequest, event: &Event) -> bool {
    let time = i128::from(event.time);
    !request.foreign
        && request.since.is_none_or(|since| time >= since)
        && request.until.is_none_or(|until| time <= until)
        && any(&request.types, |wanted| *wanted == event.kind.word())
        && any(&request.actions, |wanted| is_action(wanted, &event.action))
        && any(&request.containers, |wanted| is_named(event, wanted))
        && any(&request.networks, |wanted| is_named(event, wanted))
        && any(&request.volumes, |wanted| is_named(event, wanted))
        && any(&request.images, |wanted| is_image(event, wanted))
        && request.labels.iter().all(|label| label.is_among(&event.attributes))
        && (request.containers.is_empty() || event.kind == Kind::Container)
        && (request.networks.is_empty() || event.kind == Kind::Network)
        && (request.volumes.is_empty() || event.kind == Kind::Volume)
}

fn any(list: &[String], test: impl Fn(&String) -> bool) -> bool {
    list.is_empty() || list.iter().any(test)
}

fn is_action(wanted: &str, action: &str) -> bool {
    let beginning = action.split_once(':').map(|(beginning, _)| beginning);
    wanted == action || WITH_DETAILS.contains(&wanted) && beginning == Some(wanted)
}

/// Ids and names are known by their beginnings.
fn is_named(event: &Event, wanted: &str) -> bool {
    event.id.starts_with(wanted) || event.attributes.get("name").is_some_and(|name| name.starts_with(wanted))
}

/// An image is known by its id or name, with or without tag.
fn is_image(event: &Event, wanted: &str) -> bool {
    let attribute = if event.kind == Kind::Image { "name" } else { "image" };
    let names = [Some(event.id.as_str()), event.attributes.get(attribute).map(String::as_str)];
    names.into_iter().flatten().any(|name| name == wanted || without_tag(name) == wanted)
}

fn without_tag(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((bare, tag)) if !tag.contains('/') => bare,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::request::LabelFilter;

    fn event(kind: Kind, action: &str, id: &str, attributes: &[(&str, &str)]) -> Event {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let attributes: BTreeMap<_, _> = attributes.iter().map(owned).collect();
        let mut event = Event::now(kind, action, id, attributes);
        event.time = 100;
        event
    }

    /// `NAME=VALUE` as the face reads it.
    fn request(filters: &str) -> EventsRequest {
        let mut request = EventsRequest::default();
        for filter in filters.split_whitespace() {
            let (name, value) = filter.split_once('=').unwrap();
            let list = match name {
                "since" => {
                    request.since = value.parse().ok();
                    continue;
                }
                "until" => {
                    request.until = value.parse().ok();
                    continue;
                }
                "label" => {
                    let (key, value) = value.split_once(':').map_or((value, None), |(k, v)| (k, Some(v)));
                    let value = value.map(str::to_owned);
                    request.labels.push(LabelFilter { key: key.to_owned(), value });
                    continue;
                }
                "type" => &mut request.types,
                "event" => &mut request.actions,
                "container" => &mut request.containers,
                "network" => &mut request.networks,
                "volume" => &mut request.volumes,
                "image" => &mut request.images,
                other => panic!("{other}"),
            };
            list.push(value.to_owned());
        }
        request
    }

    #[test]
    fn filters() {
        let start = event(
            Kind::Container,
            "start",
            "abcdef",
            &[("name", "web1"), ("image", "host:5000/busybox:latest"), ("tier", "front")],
        );
        let healthy = event(Kind::Container, "health_status: healthy", "abcdef", &[("name", "web1")]);
        let connect = event(Kind::Network, "connect", "0123", &[("container", "abcdef"), ("name", "lan")]);
        let mount = event(Kind::Volume, "mount", "data", &[("container", "abcdef")]);
        let tag = event(Kind::Image, "tag", "sha256:99", &[("name", "busybox:1")]);
        let rows: &[(&Event, &str, bool)] = &[
            (&start, "", true),
            (&start, "since=100 until=100", true),
            (&start, "since=101", false),
            (&start, "until=99", false),
            (&start, "type=container", true),
            (&start, "type=image type=container", true),
            (&start, "type=image", false),
            (&start, "event=start", true),
            (&start, "event=star", false),
            (&start, "event=die event=start", true),
            (&healthy, "event=health_status", true),
            (&healthy, "event=health_status:", false),
            (&start, "event=health_status", false),
            (&start, "container=web1", true),
            (&start, "container=web", true),
            (&start, "container=abc", true),
            (&start, "container=eb1", false),
            (&connect, "container=abcdef", false),
            (&connect, "network=lan", true),
            (&connect, "network=01", true),
            (&start, "network=abc", false),
            (&mount, "volume=data", true),
            (&mount, "volume=other", false),
            (&start, "image=host:5000/busybox", true),
            (&start, "image=host:5000/busybox:latest", true),
            (&start, "image=host", false),
            (&tag, "image=busybox", true),
            (&tag, "image=sha256:99", true),
            (&start, "label=tier", true),
            (&start, "label=tier:front", true),
            (&start, "label=tier:back", false),
            (&start, "label=tier label=other", false),
            (&start, "type=container event=start container=web label=tier", true),
        ];
        for (event, filters, expected) in rows {
            assert_eq!(matches(&request(filters), event), *expected, "{} {filters}", event.action);
        }
    }
}
