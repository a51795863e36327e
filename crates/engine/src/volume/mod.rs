//! Volumes: one verb a function over the volume room, and who uses which.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use store::Durability;
use supervisor::log::format_time;
use volume::{NewVolume, VolumeRecord, Volumes};

use crate::container::{Placed, all_containers};
use crate::error::{Doing, Error, Result};
use crate::paths::Engine;
use crate::pattern;
use crate::request::view::{PrunedVolumes, VolumeRow};
use crate::request::{PruneVolumesRequest, RemoveVolumesRequest, VolumeCreateRequest, VolumesRequest};

/// Checks a name by the rule of Docker's driver `local`.
pub fn check_name(name: &str) -> Result<()> {
    Ok(volume::check_name(name)?)
}

/// Makes a volume, or finds the one that is the same; returns its name.
pub fn create(engine: &Engine, request: &VolumeCreateRequest) -> Result<String> {
    let anonymous = request.name.is_none();
    let name = match &request.name {
        Some(name) => name.clone(),
        None => volume::random_name()?,
    };
    let mut labels = request.labels.clone();
    if anonymous {
        labels.insert(volume::ANONYMOUS_LABEL.to_owned(), String::new());
    }
    let (driver, options) = (request.driver.clone(), request.options.clone());
    let new = NewVolume { name: name.clone(), driver, options, labels, anonymous };
    let (record, made) = open(engine)?.create(&new, Durability::Synced)?;
    if !made && record.options != new.options {
        return Err(volume::Error::Differs(name).into());
    }
    if made {
        crate::events::of_volume(engine, &name, &record.driver, "create");
    }
    Ok(name)
}

/// Lists volumes by name.
pub fn list(engine: &Engine, request: &VolumesRequest) -> Result<Vec<VolumeRow>> {
    let volumes = open(engine)?;
    let names = pattern::of_names(&request.names)?;
    let used = if request.dangling.is_some() { all_users(engine)? } else { BTreeMap::new() };
    let wanted = |record: &VolumeRecord| {
        request.dangling.is_none_or(|dangling| dangling != used.contains_key(&record.name))
            && (request.drivers.is_empty() || request.drivers.contains(&record.driver))
            && (names.is_empty() || names.iter().any(|pattern| pattern.is_in(&record.name)))
            && request.labels.iter().all(|label| label.is_among(&record.labels))
    };
    let row = |record: VolumeRecord| VolumeRow {
        mountpoint: volumes.mountpoint(&record.name).display().to_string(),
        name: record.name,
        driver: record.driver,
        labels: record.labels,
    };
    Ok(volumes.list()?.into_iter().filter(wanted).map(row).collect())
}

/// Returns the document of a volume, with Docker's field names.
pub fn inspect(engine: &Engine, name: &str) -> Result<Value> {
    let volumes = open(engine)?;
    let record = volumes.get(name)?;
    let or_null = |map: &BTreeMap<String, String>| if map.is_empty() { Value::Null } else { json!(map) };
    Ok(json!({
        "CreatedAt": format_time(record.created),
        "Driver": record.driver,
        "Labels": or_null(&record.labels),
        "Mountpoint": volumes.mountpoint(name),
        "Name": record.name,
        "Options": record.options,
        "Scope": "local",
    }))
}

/// Removes volumes that no container uses; the outcomes are told one by one.
pub fn remove(engine: &Engine, request: &RemoveVolumesRequest) -> Vec<(String, Result<()>)> {
    let one = |name: &String| {
        let outcome = open(engine).and_then(|volumes| remove_one(engine, &volumes, name));
        let outcome = match outcome {
            Err(error) if request.force && error.class() == oci::class::Class::NotFound => Ok(()),
            other => other,
        };
        (name.clone(), outcome)
    };
    request.volumes.iter().map(one).collect()
}

fn remove_one(engine: &Engine, volumes: &Volumes, name: &str) -> Result<()> {
    volumes.remove(name, |_| {
        let users = users(engine, name)?;
        if users.is_empty() {
            return Ok(());
        }
        Err(Error::conflict(format!("remove {name}: volume is in use - [{}]", users.join(", ")))
            .hint("remove these containers first"))
    })?;
    crate::events::of_volume(engine, name, "local", "destroy");
    Ok(())
}

/// Removes what no container uses: anonymous volumes, and named ones where all are meant.
pub fn prune(engine: &Engine, request: &PruneVolumesRequest) -> Result<PrunedVolumes> {
    let volumes = open(engine)?;
    let used = all_users(engine)?;
    let mut pruned = PrunedVolumes::default();
    for record in volumes.list()? {
        let wanted = (request.all || record.anonymous)
            && !used.contains_key(&record.name)
            && request.labels.iter().all(|label| label.is_among(&record.labels))
            && !request.unlike.iter().any(|label| label.is_among(&record.labels));
        if !wanted {
            continue;
        }
        let bytes = volumes.size(&record).unwrap_or(0);
        match remove_one(engine, &volumes, &record.name) {
            Ok(()) => {
                pruned.bytes += bytes;
                pruned.names.push(record.name);
            }
            // Taken into use, or removed, since it was looked at.
            Err(error)
                if matches!(error.class(), oci::class::Class::Conflict | oci::class::Class::NotFound) => {}
            Err(error) => return Err(error).doing(|| format!("cannot remove volume `{}`", record.name)),
        }
    }
    Ok(pruned)
}

/// Returns the ids of the containers whose record names a volume.
pub(crate) fn users(engine: &Engine, name: &str) -> Result<Vec<String>> {
    Ok(all_users(engine)?.remove(name).unwrap_or_default())
}

fn all_users(engine: &Engine) -> Result<BTreeMap<String, Vec<String>>> {
    let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for container in all_containers(engine)? {
        for mount in container.record.placed() {
            let Placed::Volume(volume) = mount else { continue };
            let users = users.entry(volume.name).or_default();
            if !users.contains(&container.record.id) {
                users.push(container.record.id.clone());
            }
        }
    }
    Ok(users)
}

pub(crate) fn open(engine: &Engine) -> Result<Volumes> {
    Ok(Volumes::open(&engine.root)?)
}

impl From<volume::Error> for Error {
    fn from(error: volume::Error) -> Self {
        let hint = error.hint();
        let error = crate::error::wrap(error.class(), error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}
