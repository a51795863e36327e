//! `fork`: new containers that go on from what another one is now, each for itself.
//!
//! The container stands still while what it has written is copied, once: the copy is a layer of an image without a
//! name, which all forks share and which goes with the last of them by `image prune`. Volumes are copied for each fork,
//! with shared blocks where the file system can.

use image::{Capture, Lease};
use store::Durability;
use sys::Dir;
use sys::dir::{copy_attributes_of_root, copy_tree};
use volume::{NewVolume, VolumeRecord};

use super::amend::amend;
use super::attach::Terminal;
use super::commit::config_of;
use super::create::create_from;
use super::diff::STUBS;
use super::find::{Container, find};
use super::id::check_name;
use super::placement::Placed;
use super::record::ContainerRecord;
use super::remove::{Volumes, delete};
use super::start::start_one;
use super::stillness::Stillness;
use crate::error::{Doing, Error, Result};
use crate::paths::Engine;
use crate::request::{ContainerRequest, ForkRequest, MountRequest, NetworkMode, StartRequest, VolumeMount};

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forked {
    /// The names of the new containers.
    pub names: Vec<String>,
    pub warnings: Vec<String>,
}

/// A volume of the original, and its copy for one fork.
struct Copied {
    mount: VolumeMount,
    record: VolumeRecord,
}

/// Forks a container. Either all forks run afterwards, or none is there.
pub fn fork(engine: &Engine, request: &ForkRequest, terminal: &Terminal<'_>) -> Result<Forked> {
    let container = find(engine, &request.container)?;
    let record = &container.record;
    let names = names(engine, request, record)?;
    let mut made = Vec::new();
    let outcome = fork_all(engine, request, &container, &names, terminal, &mut made)
        .doing(|| format!("cannot fork container `{}`", record.name));
    if let Err(error) = outcome {
        for fork in &made {
            clear(engine, fork);
        }
        return Err(error);
    }
    Ok(Forked { names, warnings: warnings(record) })
}

fn fork_all(
    engine: &Engine,
    request: &ForkRequest,
    container: &Container,
    names: &[String],
    terminal: &Terminal<'_>,
    made: &mut Vec<ContainerRecord>,
) -> Result<()> {
    let (image, lease, volumes) = freeze(engine, container, names.len())?;
    for (name, copies) in names.iter().zip(volumes) {
        let forked = ContainerRequest {
            image: image.clone(),
            auto_remove: request.auto_remove,
            ..request_of(&container.record, name, &copies)
        };
        let for_run = crate::image::for_run(engine, &image)?;
        let record = create_from(engine, &forked, &for_run)?;
        made.push(record.clone());
        own(engine, &record.id, &copies)?;
    }
    // From here on the containers' own layers keep what they need.
    drop(lease);
    let start = StartRequest { containers: Vec::new(), ..StartRequest::default() };
    for record in made.iter() {
        start_one(engine, &start, &record.id, terminal)?;
    }
    Ok(())
}

/// Copies what a container is, while it stands still; returns the image's id and the volumes of each fork.
fn freeze(engine: &Engine, container: &Container, count: usize) -> Result<(String, Lease, Vec<Vec<Copied>>)> {
    let record = &container.record;
    let images = crate::image::open(engine)?;
    let lease = images.lease()?;
    let id = record.image_id.parse().map_err(|error| {
        Error::new(oci::class::Class::Internal, format!("container `{}` has no image", record.name))
            .caused_by(error)
    })?;
    let config = images.image(&id).map(|base| config_of(record, &base.config)).unwrap_or_default();
    let created_by = format!("fork of {}", record.name);
    let capture = Capture {
        key: &record.id,
        image: id,
        config,
        changes: &[],
        reference: None,
        author: "",
        message: "",
        created_by,
        stubs: &STUBS,
        epoch: None,
    };
    let still = Stillness::begin(container)?;
    let mut first = Ok(Vec::new());
    let captured = images.capture(&capture, || {
        first = copy_volumes(engine, record, None);
        drop(still);
    });
    let mut volumes = vec![first?];
    let outcome = captured.map_err(Error::from).and_then(|captured| {
        for _ in 1..count {
            let next = copy_volumes(engine, record, volumes.first())?;
            volumes.push(next);
        }
        Ok(captured)
    });
    match outcome {
        Ok(captured) => Ok((captured.id.to_string(), lease, volumes)),
        Err(error) => {
            volumes.iter().flatten().for_each(|copy| discard(engine, copy));
            Err(error)
        }
    }
}

/// Copies all volumes of a container, or the copies that were made of them before.
fn copy_volumes(
    engine: &Engine,
    record: &ContainerRecord,
    from: Option<&Vec<Copied>>,
) -> Result<Vec<Copied>> {
    let mut copies = Vec::new();
    let volumes = crate::volume::open(engine)?;
    for (number, placed) in record.placed().into_iter().filter_map(as_volume).enumerate() {
        let source = match from {
            Some(copies) => copies[number].record.name.clone(),
            None => placed.name.clone(),
        };
        let source = volumes.get(&source)?;
        // What is in memory is empty at the start of any container.
        let Some(data) = volumes.data(&source)? else { continue };
        let new = NewVolume {
            name: volume::random_name()?,
            labels: [(volume::ANONYMOUS_LABEL.to_owned(), String::new())].into(),
            anonymous: true,
            ..NewVolume::default()
        };
        let (copy, _) = volumes.create(&new, Durability::Synced)?;
        let mount = VolumeMount {
            name: Some(copy.name.clone()),
            target: placed.target.clone(),
            read_only: placed.read_only,
            no_copy: true,
            subpath: placed.subpath.clone(),
            propagation: placed.propagation,
            idmap: placed.idmap,
            from: placed.from,
            ..VolumeMount::default()
        };
        copies.push(Copied { mount, record: copy });
        let copied = copies.last().map(|copy| fill(engine, &copy.record, &data));
        if let Some(Err(error)) = copied {
            copies.iter().for_each(|copy| discard(engine, copy));
            return Err(error).doing(|| format!("cannot copy volume `{}`", placed.name));
        }
    }
    Ok(copies)
}

fn fill(engine: &Engine, copy: &VolumeRecord, from: &Dir) -> Result<()> {
    let volumes = crate::volume::open(engine)?;
    if let Some(to) = volumes.data(copy)? {
        copy_tree(from, &to)?;
        copy_attributes_of_root(from, &to)?;
    }
    Ok(())
}

fn discard(engine: &Engine, copy: &Copied) {
    if let Ok(volumes) = crate::volume::open(engine) {
        // What stays is shown by `volume ls` and goes with `volume prune`.
        let _ = volumes.remove::<volume::Error>(&copy.record.name, |_| Ok(()));
    }
}

fn as_volume(placed: Placed) -> Option<super::placement::PlacedVolume> {
    match placed {
        Placed::Volume(volume) => Some(volume),
        _ => None,
    }
}

/// The request of a fork: as that of the original, but for what only one can have.
fn request_of(record: &ContainerRecord, name: &str, copies: &[Copied]) -> ContainerRequest {
    let mut request = record.request.clone();
    request.name = Some(name.to_owned());
    request.cidfile = None;
    request.volumes_from.clear();
    // All mounts as they were decided, with copies in place of volumes.
    request.mounts = record
        .placed()
        .into_iter()
        .filter_map(|placed| match placed {
            Placed::Bind(bind) => Some(MountRequest::Bind(bind)),
            Placed::Tmpfs(tmpfs) => Some(MountRequest::Tmpfs(tmpfs)),
            Placed::Image(image) => Some(MountRequest::Image(crate::request::ImageMount {
                image: image.id,
                target: image.target,
                subpath: image.subpath,
            })),
            Placed::Volume(_) => None,
        })
        .chain(copies.iter().map(|copy| MountRequest::Volume(copy.mount.clone())))
        .collect();
    // Ports of the host are free ones, addresses those of the networks.
    request.publish.iter_mut().for_each(|port| port.host = None);
    if let NetworkMode::Networks(networks) = &mut request.namespaces.network {
        for endpoint in networks {
            (endpoint.ipv4, endpoint.ipv6, endpoint.mac) = (None, None, None);
        }
    }
    request
}

/// Lets the copies of volumes go with their container, as volumes without a name do.
fn own(engine: &Engine, id: &str, copies: &[Copied]) -> Result<()> {
    if copies.is_empty() {
        return Ok(());
    }
    amend(engine, id, |record, _| {
        for mount in record.mounts.iter_mut().flatten() {
            if let Placed::Volume(volume) = mount
                && copies.iter().any(|copy| copy.record.name == volume.name)
            {
                volume.anonymous = true;
            }
        }
        Ok(())
    })
}

/// The names of the forks: `{n}` of the pattern counts, and passes over names that are taken.
fn names(engine: &Engine, request: &ForkRequest, record: &ContainerRecord) -> Result<Vec<String>> {
    let pattern = request.name.clone().unwrap_or_else(|| format!("{}-{{n}}", record.name));
    if !pattern.contains("{n}") {
        if request.count == 1 {
            check_name(&pattern)?;
            return Ok(vec![pattern]);
        }
        return Err(Error::invalid(format!("`{pattern}` is one name for {} containers", request.count))
            .hint("put {n} where the number goes"));
    }
    let taken = engine.open_names()?;
    let mut names = Vec::new();
    for number in 1_u32.. {
        if names.len() == request.count {
            break;
        }
        let name = pattern.replace("{n}", &number.to_string());
        check_name(&name)?;
        if store::owner(&taken, &name)?.is_none() {
            names.push(name);
        }
    }
    Ok(names)
}

/// What forks have together with the original.
fn warnings(record: &ContainerRecord) -> Vec<String> {
    let shared = |placed: Placed| match placed {
        Placed::Bind(bind) if !bind.read_only => Some(format!(
            "`{}` of the host is the same directory for all of them, at `{}`",
            bind.source.display(),
            bind.target.display()
        )),
        _ => None,
    };
    record.placed().into_iter().filter_map(shared).collect()
}

/// Removes a fork of a fork that failed.
fn clear(engine: &Engine, record: &ContainerRecord) {
    let removal =
        crate::request::RemoveRequest { containers: vec![record.id.clone()], force: true, volumes: true };
    for (_, outcome) in super::remove::remove(engine, &removal) {
        if outcome.is_err() {
            let _ = delete(engine, record, Volumes::Removed);
        }
    }
}
