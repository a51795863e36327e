//! `--filter NAME=VALUE` of lists.

use engine::request::{
    EventsRequest, HealthFilter, ImagesRequest, LabelFilter, NetworksRequest, PruneRequest,
    PruneVolumesRequest, PsRequest, StateFilter, VolumesRequest,
};

use super::{Invalid, Read, boolean, port};

/// Checks that a filter is a pair and splits it; names are in lower case.
pub(crate) fn parse(text: &str) -> Read<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) => Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned())),
        None => Err(Invalid::new("bad format of filter (expected name=value)")),
    }
}

/// Filters of containers.
pub(crate) const PS: &[&str] = &[
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "is-task",
    "isolation",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
];

/// Adds filters of containers to a request.
pub(crate) fn apply_to_ps(filters: &[(String, String)], request: &mut PsRequest) -> Read<()> {
    for (name, value) in filters {
        match name.as_str() {
            "id" => request.ids.push(value.clone()),
            "name" => request.names.push(value.strip_prefix('/').unwrap_or(value).to_owned()),
            "label" => request.labels.push(label(value)),
            "status" => request.states.push(state(value)?),
            "exited" => request.exited.push(value.parse().map_err(|_| invalid(name, value))?),
            "volume" => request.volumes.push(value.clone()),
            "ancestor" => request.ancestors.push(value.clone()),
            "before" => request.before = Some(value.clone()),
            "since" => request.since = Some(value.clone()),
            "network" => request.networks.push(value.clone()),
            "publish" => request.publish.push(port::parse_filter(name, value)?),
            "expose" => request.expose.push(port::parse_filter(name, value)?),
            "health" => request.healths.push(health(value)?),
            "is-task" => request.tasks.push(boolean::parse(value).map_err(|_| invalid(name, value))?),
            // Of Windows: Docker takes it elsewhere too, and every container has it.
            "isolation" => {}
            _ => return Err(unknown(name, PS)),
        }
    }
    Ok(())
}

/// Filters of events.
pub(crate) const EVENTS: &[&str] = &[
    "config",
    "container",
    "daemon",
    "event",
    "image",
    "label",
    "network",
    "node",
    "plugin",
    "scope",
    "secret",
    "service",
    "type",
    "volume",
];

/// Adds filters of events to a request.
pub(crate) fn apply_to_events(filters: &[(String, String)], request: &mut EventsRequest) -> Read<()> {
    for (name, value) in filters {
        let list = match name.as_str() {
            "container" => &mut request.containers,
            "event" => &mut request.actions,
            "image" => &mut request.images,
            "network" => &mut request.networks,
            "type" => &mut request.types,
            "volume" => &mut request.volumes,
            "label" => {
                request.labels.push(label(value));
                continue;
            }
            // All there is is local, of one engine.
            "scope" if value == "local" => continue,
            // As with Docker, what nothing here is shows nothing.
            "config" | "daemon" | "node" | "plugin" | "scope" | "secret" | "service" => {
                request.foreign = true;
                continue;
            }
            _ => return Err(unknown(name, EVENTS)),
        };
        list.push(value.clone());
    }
    Ok(())
}

/// Filters of images.
pub(crate) const IMAGES: &[&str] = &["before", "dangling", "label", "reference", "since", "until"];

/// Adds filters of images to a request; `moment` reads a time in nanoseconds.
pub(crate) fn apply_to_images(
    filters: &[(String, String)],
    moment: impl Fn(&str) -> Read<i128>,
    request: &mut ImagesRequest,
) -> Read<()> {
    for (name, value) in filters {
        match name.as_str() {
            "dangling" => request.dangling = Some(boolean::parse(value).map_err(|_| invalid(name, value))?),
            "label" => request.labels.push(label(value)),
            "reference" => request.references.push(value.clone()),
            "before" => request.before = Some(value.clone()),
            "since" => request.since = Some(value.clone()),
            "until" => set_until(&mut request.until, value, &moment)?,
            _ => return Err(unknown(name, IMAGES)),
        }
    }
    Ok(())
}

/// Filters of volumes.
pub(crate) const VOLUMES: &[&str] = &["dangling", "driver", "label", "name"];

/// Adds filters of volumes to a request.
pub(crate) fn apply_to_volumes(filters: &[(String, String)], request: &mut VolumesRequest) -> Read<()> {
    for (name, value) in filters {
        match name.as_str() {
            "dangling" => request.dangling = Some(boolean::parse(value).map_err(|_| invalid(name, value))?),
            "driver" => request.drivers.push(value.clone()),
            "label" => request.labels.push(label(value)),
            "name" => request.names.push(value.clone()),
            _ => return Err(unknown(name, VOLUMES)),
        }
    }
    Ok(())
}

/// Filters of a pruning of volumes, as [`apply_to_prune`] takes them.
pub(crate) const PRUNE_VOLUMES: &[&str] = &["all", "label", "label!"];

/// Adds filters of a pruning of volumes to a request.
pub(crate) fn apply_to_prune(filters: &[(String, String)], request: &mut PruneVolumesRequest) -> Read<()> {
    for (name, value) in filters {
        match name.as_str() {
            "all" => request.all = boolean::parse(value).map_err(|_| invalid(name, value))?,
            "label" => request.labels.push(label(value)),
            "label!" => request.unlike.push(label(value)),
            _ => return Err(unknown(name, PRUNE_VOLUMES)),
        }
    }
    Ok(())
}

/// Filters of networks.
pub(crate) const NETWORKS: &[&str] = &["dangling", "driver", "id", "label", "name", "scope", "type"];

/// Adds filters of networks to a request.
pub(crate) fn apply_to_networks(filters: &[(String, String)], request: &mut NetworksRequest) -> Read<()> {
    let mut builtin = Vec::new();
    for (name, value) in filters {
        match name.as_str() {
            "dangling" => request.dangling = Some(boolean::parse(value).map_err(|_| invalid(name, value))?),
            "driver" => request.drivers.push(value.clone()),
            "id" => request.ids.push(value.clone()),
            "label" => request.labels.push(label(value)),
            "name" => request.names.push(value.clone()),
            "scope" => request.scopes.push(value.clone()),
            "type" => builtin.push(match value.as_str() {
                "builtin" => true,
                "custom" => false,
                _ => return Err(invalid(name, value).hint("use builtin or custom")),
            }),
            _ => return Err(unknown(name, NETWORKS)),
        }
    }
    // Asked for both, all are shown.
    request.builtin = builtin.first().copied().filter(|first| builtin.iter().all(|kind| kind == first));
    Ok(())
}

/// Filters of prunings by labels and age, as [`read_prune`] takes them.
pub(crate) const PRUNE_BY_AGE: &[&str] = &["label", "label!", "until"];

/// Reads filters of a pruning by labels and age; `moment` reads a time in nanoseconds.
pub(crate) fn read_prune(
    filters: &[(String, String)],
    moment: impl Fn(&str) -> Read<i128>,
) -> Read<PruneRequest> {
    let mut request = PruneRequest::default();
    for (name, value) in filters {
        match name.as_str() {
            "label" => request.labels.push(label(value)),
            "label!" => request.unlike.push(label(value)),
            "until" => set_until(&mut request.until, value, &moment)?,
            _ => return Err(unknown(name, PRUNE_BY_AGE)),
        }
    }
    Ok(request)
}

/// Reads a time as seconds since 1970; as with Docker, there is one or none.
fn set_until(until: &mut Option<i64>, value: &str, moment: &impl Fn(&str) -> Read<i128>) -> Read<()> {
    if until.is_some() {
        return Err(Invalid::new("more than one until filter specified").hint("give the earlier one"));
    }
    let named = |error: Invalid| {
        let named = Invalid::new(format!("invalid filter 'until={value}': {error}"));
        error.hint_text().map_or(named.clone(), |hint| named.hint(hint))
    };
    let seconds = moment(value).map_err(named)?.div_euclid(1_000_000_000);
    *until = Some(i64::try_from(seconds).map_err(|_| invalid("until", value))?);
    Ok(())
}

/// Names a filter that is not known, and those that are.
pub(crate) fn unknown(name: &str, known: &[&str]) -> Invalid {
    Invalid::new(format!("invalid filter '{name}'")).hint(
        match crate::suggest::nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("there are: {}", known.join(", ")),
        },
    )
}

fn invalid(name: &str, value: &str) -> Invalid {
    Invalid::new(format!("invalid filter '{name}={value}'"))
}

fn label(value: &str) -> LabelFilter {
    match value.split_once('=') {
        Some((key, value)) => LabelFilter { key: key.to_owned(), value: Some(value.to_owned()) },
        None => LabelFilter { key: value.to_owned(), value: None },
    }
}

fn health(text: &str) -> Read<HealthFilter> {
    Ok(match text {
        "none" => HealthFilter::None,
        "starting" => HealthFilter::Starting,
        "healthy" => HealthFilter::Healthy,
        "unhealthy" => HealthFilter::Unhealthy,
        _ => return Err(invalid("health", text).hint("use starting, healthy, unhealthy or none")),
    })
}

fn state(text: &str) -> Read<StateFilter> {
    Ok(match text {
        "created" => StateFilter::Created,
        "restarting" => StateFilter::Restarting,
        "running" => StateFilter::Running,
        "removing" => StateFilter::Removing,
        "paused" => StateFilter::Paused,
        "exited" => StateFilter::Exited,
        "dead" => StateFilter::Dead,
        _ => {
            return Err(invalid("status", text)
                .hint("use created, restarting, running, removing, paused, exited or dead"));
        }
    })
}

#[cfg(test)]
#[test]
fn faults() {
    let ps = |text: &str| apply_to_ps(&[parse(text)?], &mut PsRequest::default());
    let rows = [
        ("foo", "!bad format of filter (expected name=value)"),
        ("foo=1", "!invalid filter 'foo'"),
        ("status=up", "!invalid filter 'status=up'"),
        ("exited=x", "!invalid filter 'exited=x'"),
        ("health=x", "!invalid filter 'health=x'"),
        ("health=none", "()"),
        ("is-task=x", "!invalid filter 'is-task=x'"),
        ("is-task=false", "()"),
        ("health=healthy", "()"),
        ("network=x", "()"),
        ("publish=80-81/udp", "()"),
        ("expose=80:80", "!invalid filter 'expose': 80:80"),
        ("STATUS = paused", "()"),
    ];
    super::check::table(ps, &rows);
    let events = |text: &str| apply_to_events(&[parse(text)?], &mut EventsRequest::default());
    let rows = [
        ("container=x", "()"),
        ("label=x=y", "()"),
        ("scope=local", "()"),
        ("scope=swarm", "()"),
        ("node=x", "()"),
        ("foo=x", "!invalid filter 'foo'"),
    ];
    super::check::table(events, &rows);
    let moment = |text: &str| text.parse().map_err(|_| Invalid::new("no time"));
    let images = |text: &str| {
        let mut request = ImagesRequest::default();
        apply_to_images(&[parse(text)?], moment, &mut request).map(|()| request.until)
    };
    let volumes = |text: &str| apply_to_volumes(&[parse(text)?], &mut VolumesRequest::default());
    super::check::table(volumes, &[("dangling=x", "!invalid filter 'dangling=x'"), ("name=x", "()")]);
    let prune = |text: &str| apply_to_prune(&[parse(text)?], &mut PruneVolumesRequest::default());
    super::check::table(prune, &[("name=x", "!invalid filter 'name'"), ("label!=x", "()"), ("all=1", "()")]);
    let networks = |text: &str| {
        let mut request = NetworksRequest::default();
        let filters = text.split(' ').map(parse).collect::<Read<Vec<_>>>()?;
        apply_to_networks(&filters, &mut request)
            .map(|()| (request.builtin, request.scopes, request.dangling))
    };
    let rows = [
        ("type=custom", "(Some(false), [], None)"),
        ("type=builtin scope=local dangling=0", "(Some(true), [\"local\"], Some(false))"),
        ("type=builtin type=custom", "(None, [], None)"),
        ("type=x", "!invalid filter 'type=x'"),
        ("dangling=x", "!invalid filter 'dangling=x'"),
        ("foo=x", "!invalid filter 'foo'"),
    ];
    super::check::table(networks, &rows);
    let prune = |text: &str| {
        let filters = text.split(' ').map(parse).collect::<Read<Vec<_>>>()?;
        read_prune(&filters, moment).map(|request| (request.until, request.unlike.len()))
    };
    let rows = [
        ("until=1999999999 label!=a", "(Some(1), 1)"),
        ("until=x", "!invalid filter 'until=x': no time"),
        ("until=1 until=2", "!more than one until filter specified"),
        ("name=x", "!invalid filter 'name'"),
    ];
    super::check::table(prune, &rows);
    let rows = [
        ("dangling=x", "!invalid filter 'dangling=x'"),
        ("dangling=true", "None"),
        ("until=1999999999", "Some(1)"),
    ];
    super::check::table(images, &rows);
}

#[cfg(test)]
#[test]
fn every_filter_that_is_named_is_known() {
    type Apply<'a> = &'a dyn Fn(&[(String, String)]) -> Read<()>;
    let lists: [(&[&str], Apply<'_>); 7] = [
        (PS, &|pairs| apply_to_ps(pairs, &mut PsRequest::default())),
        (EVENTS, &|pairs| apply_to_events(pairs, &mut EventsRequest::default())),
        (IMAGES, &|pairs| apply_to_images(pairs, |_| Ok(0), &mut ImagesRequest::default())),
        (VOLUMES, &|pairs| apply_to_volumes(pairs, &mut VolumesRequest::default())),
        (NETWORKS, &|pairs| apply_to_networks(pairs, &mut NetworksRequest::default())),
        (PRUNE_VOLUMES, &|pairs| apply_to_prune(pairs, &mut PruneVolumesRequest::default())),
        (PRUNE_BY_AGE, &|pairs| read_prune(pairs, |_| Ok(0)).map(|_| ())),
    ];
    for (known, apply) in lists {
        assert!(known.is_sorted(), "{known:?}");
        for name in known {
            let unread = apply(&[((*name).to_owned(), "x".to_owned())]).map_err(|error| error.to_string());
            assert_ne!(unread, Err(format!("invalid filter '{name}'")));
        }
        let error = apply(&[("nosuchthing".to_owned(), "x".to_owned())]).unwrap_err();
        assert_eq!(error.hint_text().unwrap(), format!("there are: {}", known.join(", ")));
        assert_eq!(error.to_string(), "invalid filter 'nosuchthing'");
    }
    let near = apply_to_ps(&[("nmae".to_owned(), "x".to_owned())], &mut PsRequest::default()).unwrap_err();
    assert_eq!(near.hint_text(), Some("did you mean name?"));
}
