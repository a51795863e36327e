//! `--filter NAME=VALUE` of lists.

use engine::request::{
    ImagesRequest, LabelFilter, PruneVolumesRequest, PsRequest, StateFilter, VolumesRequest,
};

use super::{Invalid, Read, boolean};

/// Checks that a filter is a pair and splits it; names are in lower case.
pub(crate) fn parse(text: &str) -> Read<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) => Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned())),
        None => Err(Invalid::new("bad format of filter (expected name=value)")),
    }
}

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
            "expose" | "health" | "is-task" | "isolation" | "network" | "publish" => {
                return Err(Invalid::new(format!("filter `{name}` is not supported yet")));
            }
            _ => return Err(Invalid::new(format!("invalid filter '{name}'"))),
        }
    }
    Ok(())
}

/// Adds filters of images to a request.
pub(crate) fn apply_to_images(filters: &[(String, String)], request: &mut ImagesRequest) -> Read<()> {
    for (name, value) in filters {
        match name.as_str() {
            "dangling" => request.dangling = Some(boolean::parse(value).map_err(|_| invalid(name, value))?),
            "label" => request.labels.push(label(value)),
            "reference" => request.references.push(value.clone()),
            "before" => request.before = Some(value.clone()),
            "since" => request.since = Some(value.clone()),
            "until" => return Err(Invalid::new(format!("filter `{name}` is not supported yet"))),
            _ => return Err(Invalid::new(format!("invalid filter '{name}'"))),
        }
    }
    Ok(())
}

/// Adds filters of volumes to a request.
pub(crate) fn apply_to_volumes(filters: &[(String, String)], request: &mut VolumesRequest) -> Read<()> {
    for (name, value) in filters {
        match name.as_str() {
            "dangling" => request.dangling = Some(boolean::parse(value).map_err(|_| invalid(name, value))?),
            "driver" => request.drivers.push(value.clone()),
            "label" => request.labels.push(label(value)),
            "name" => request.names.push(value.clone()),
            _ => return Err(Invalid::new(format!("invalid filter '{name}'"))),
        }
    }
    Ok(())
}

/// Adds filters of a pruning of volumes to a request.
pub(crate) fn apply_to_prune(filters: &[(String, String)], request: &mut PruneVolumesRequest) -> Read<()> {
    for (name, value) in filters {
        match name.as_str() {
            "all" => request.all = boolean::parse(value).map_err(|_| invalid(name, value))?,
            "label" => request.labels.push(label(value)),
            "label!" => request.unlike.push(label(value)),
            _ => return Err(Invalid::new(format!("invalid filter '{name}'"))),
        }
    }
    Ok(())
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
        ("network=x", "!filter `network` is not supported yet"),
        ("STATUS = paused", "()"),
    ];
    super::check::table(ps, &rows);
    let images = |text: &str| apply_to_images(&[parse(text)?], &mut ImagesRequest::default());
    let volumes = |text: &str| apply_to_volumes(&[parse(text)?], &mut VolumesRequest::default());
    super::check::table(volumes, &[("dangling=x", "!invalid filter 'dangling=x'"), ("name=x", "()")]);
    let prune = |text: &str| apply_to_prune(&[parse(text)?], &mut PruneVolumesRequest::default());
    super::check::table(prune, &[("name=x", "!invalid filter 'name'"), ("label!=x", "()"), ("all=1", "()")]);
    super::check::table(images, &[("dangling=x", "!invalid filter 'dangling=x'"), ("dangling=true", "()")]);
}
