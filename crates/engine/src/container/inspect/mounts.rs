//! The mounts of a container, as they were asked for and as they are, with Docker's field names.

use serde_json::{Map, Value, json};

use crate::container::placement::Placed;
use crate::container::record::ContainerRecord;
use crate::paths::Engine;
use crate::request::{
    BindMount, ContainerRequest, IdMap, MountRequest, Propagation, Recursion, Relabel, Source, VolumeMount,
};

/// `Mounts`: what is there. All have the same fields, so that a template can go over them.
pub(super) fn mounts(engine: &Engine, record: &ContainerRecord) -> Vec<Value> {
    let mount = |mount: &Placed| match mount {
        Placed::Bind(bind) => json!({
            "Type": "bind",
            "Name": "",
            "Source": bind.source,
            "Destination": bind.target,
            "Driver": "",
            "Mode": bind_mode(bind),
            "RW": !bind.read_only,
            "Propagation": bind.propagation.as_str(),
            "Idmap": idmap(bind.idmap),
        }),
        Placed::Tmpfs(tmpfs) => json!({
            "Type": "tmpfs", "Name": "", "Source": "", "Destination": tmpfs.target, "Driver": "", "Mode": "",
            "RW": !tmpfs.read_only, "Propagation": "",
        }),
        Placed::Volume(volume) => json!({
            "Type": "volume",
            "Name": volume.name,
            "Source": engine.root.join("volumes").join(&volume.name).join("_data"),
            "Destination": volume.target,
            "Driver": volume::DRIVER,
            "Mode": if volume.read_only { "ro" } else { "" },
            "RW": !volume.read_only,
            "Propagation": propagation(volume.propagation).unwrap_or_default(),
            "Idmap": idmap(volume.idmap),
        }),
        Placed::Image(image) => json!({
            "Type": "image", "Name": image.image, "Source": image.id, "Destination": image.target,
            "Driver": "", "Mode": "", "RW": false, "Propagation": "",
        }),
    };
    record.placed().iter().map(mount).collect()
}

/// `HostConfig.Binds`: what `-v` asked for, as it is typed.
pub(super) fn binds(request: &ContainerRequest) -> Vec<String> {
    let line = |source: &dyn std::fmt::Display, target: &std::path::Path, mode: String| {
        let colon = if mode.is_empty() { "" } else { ":" };
        format!("{source}:{}{colon}{mode}", target.display())
    };
    let bind = |mount: &MountRequest| match mount {
        MountRequest::Bind(bind) if bind.from == Source::Volume => {
            Some(line(&bind.source.display(), &bind.target, bind_mode(bind)))
        }
        MountRequest::Volume(volume) if volume.from == Source::Volume => {
            Some(line(volume.name.as_ref()?, &volume.target, volume_mode(volume)))
        }
        _ => None,
    };
    request.mounts.iter().filter_map(bind).collect()
}

/// `HostConfig.Mounts`: what `--mount` asked for.
pub(super) fn asked(request: &ContainerRequest) -> Vec<Value> {
    let mount = |mount: &MountRequest| match mount {
        MountRequest::Bind(bind) if bind.from == Source::Mount => Some(with_read_only(
            json!({
                "Type": "bind",
                "Source": bind.source,
                "Target": bind.target,
                "BindOptions": { "Propagation": bind.propagation.as_str() },
            }),
            bind.read_only,
        )),
        MountRequest::Volume(volume) if volume.from == Source::Mount => {
            let mut options = Map::new();
            if volume.no_copy {
                options.insert("NoCopy".into(), json!(true));
            }
            if !volume.labels.is_empty() {
                options.insert("Labels".into(), json!(volume.labels));
            }
            if let Some(subpath) = &volume.subpath {
                options.insert("Subpath".into(), json!(subpath));
            }
            if volume.driver.is_some() || !volume.options.is_empty() {
                options.insert(
                    "DriverConfig".into(),
                    json!({ "Name": volume.driver.clone().unwrap_or_default(), "Options": volume.options }),
                );
            }
            Some(with_read_only(
                json!({
                    "Type": "volume",
                    "Source": volume.name.clone().unwrap_or_default(),
                    "Target": volume.target,
                    "VolumeOptions": options,
                }),
                volume.read_only,
            ))
        }
        MountRequest::Image(image) => Some(json!({
            "Type": "image",
            "Source": image.image,
            "Target": image.target,
            "ImageOptions": { "Subpath": image.subpath.clone().unwrap_or_default() },
        })),
        _ => None,
    };
    request.mounts.iter().filter_map(mount).collect()
}

/// `HostConfig.VolumesFrom`.
pub(super) fn volumes_from(request: &ContainerRequest) -> Vec<String> {
    let line = |from: &crate::request::VolumesFrom| {
        format!("{}{}", from.container, if from.read_only { ":ro" } else { "" })
    };
    request.volumes_from.iter().map(line).collect()
}

/// `HostConfig.Tmpfs`: places and their options.
pub(super) fn tmpfs(request: &ContainerRequest) -> Map<String, Value> {
    let place = |mount: &MountRequest| match mount {
        MountRequest::Tmpfs(tmpfs) => {
            Some((tmpfs.target.display().to_string(), json!(tmpfs.options().join(","))))
        }
        _ => None,
    };
    request.mounts.iter().filter_map(place).collect()
}

fn with_read_only(mut mount: Value, read_only: bool) -> Value {
    if read_only {
        mount["ReadOnly"] = json!(true);
    }
    mount
}

fn bind_mode(bind: &BindMount) -> String {
    let nonrecursive = (bind.recursion == Recursion::Disabled).then_some("nonrecursive");
    mode(bind.read_only, [relabel(bind.relabel), propagation(bind.propagation), nonrecursive])
}

fn volume_mode(volume: &VolumeMount) -> String {
    let no_copy = volume.no_copy.then_some("nocopy");
    mode(volume.read_only, [relabel(volume.relabel), propagation(volume.propagation), no_copy])
}

fn mode(read_only: bool, words: [Option<&'static str>; 3]) -> String {
    let words: Vec<&str> = read_only.then_some("ro").into_iter().chain(words.into_iter().flatten()).collect();
    words.join(",")
}

fn relabel(relabel: Option<Relabel>) -> Option<&'static str> {
    relabel.map(|relabel| if relabel == Relabel::Shared { "z" } else { "Z" })
}

/// The default is not told.
fn propagation(propagation: Propagation) -> Option<&'static str> {
    (propagation != Propagation::RPrivate).then(|| propagation.as_str())
}

fn idmap(idmap: IdMap) -> String {
    format!("{idmap:?}").to_lowercase()
}
