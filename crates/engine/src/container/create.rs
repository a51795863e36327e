//! `create`: a record, a name and a writable layer; nothing runs yet.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use store::Durability;
use supervisor::status;
use sys::Dir;

use super::find::Container;
use super::id::{check_name, invent_name, random_id};
use super::placement::Placement;
use super::record::ContainerRecord;
use super::remove::Volumes;
use crate::confinement::selinux;
use crate::error::{Doing, Error, Result};
use crate::image::{ImageForRun, Supply};
use crate::paths::Engine;
use crate::request::{ContainerRequest, Entrypoint, IpcMode, NetworkMode, PidMode};

/// A new container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    pub id: String,
    pub warnings: Vec<String>,
}

/// Creates a container.
pub fn create(engine: &Engine, request: &ContainerRequest, supply: &Supply<'_>) -> Result<Created> {
    let image = crate::image::for_container(engine, request, supply)?;
    let record = create_from(engine, request, &image)?;
    Ok(Created { id: record.id, warnings: Vec::new() })
}

/// Creates a container from a resolved image. On failure nothing is left.
pub(crate) fn create_from(
    engine: &Engine,
    request: &ContainerRequest,
    image: &ImageForRun,
) -> Result<ContainerRecord> {
    crate::network::check_names(engine, &request.namespaces.network)?;
    super::spec::check_sources(&request.mounts)?;
    super::spec::check_processors(&request.resources.cpu)?;
    crate::confinement::check(&request.security)?;
    let mut record = record_of(request, image)?;
    if let (NetworkMode::Container(word), None) = (&request.namespaces.network, &request.hostname) {
        record.hostname = super::find::find(engine, word)?.record.hostname;
    }
    let durability = durability(request);
    let names = engine.open_names()?;
    record.name = claim_name(engine, &names, request.name.as_deref(), &record.id, durability)?;
    // Holds volumes and images until the record names them.
    let mut placement = Placement::default();
    let made = label(engine, &mut record, durability)
        .and_then(|()| placement.make(engine, &mut record, image, durability))
        .and_then(|()| crate::confinement::check_mounts(engine, &record))
        .and_then(|()| write_all(engine, &mut record, image, durability))
        .and_then(|()| write_cidfile(request.cidfile.as_deref(), &record.id));
    if let Err(error) = made {
        let _ = super::remove::delete(engine, &record, Volumes::Kept);
        placement.undo(engine);
        return Err(error);
    }
    crate::events::of_container(engine, &record, "create", &[]);
    Ok(record)
}

/// Chooses the SELinux labels, where SELinux is on: those of a container whose processes or memory it shares, if any.
fn label(engine: &Engine, record: &mut ContainerRecord, durability: Durability) -> Result<()> {
    let namespaces = &record.request.namespaces;
    let joined = match (&namespaces.pid, &namespaces.ipc) {
        (PidMode::Container(word), _) | (_, IpcMode::Container(word)) => {
            super::find::find(engine, word)?.record.confinement
        }
        _ => None,
    };
    let asked = selinux::asked(&record.request.security, &namespaces.pid, &namespaces.ipc, joined);
    record.confinement = selinux::choose(engine, &asked, &record.id, durability)?;
    Ok(())
}

/// A container that is removed at its end has nothing that a power cut could lose.
pub(crate) fn durability(request: &ContainerRequest) -> Durability {
    if request.auto_remove || request.step_of.is_some() { Durability::Volatile } else { Durability::Synced }
}

/// Children first, the name was claimed before: a name without a record is nobody's.
fn write_all(
    engine: &Engine,
    record: &mut ContainerRecord,
    image: &ImageForRun,
    durability: Durability,
) -> Result<()> {
    let directory = engine.container_dir(&record.id);
    rustix::fs::mkdir(&directory, rustix::fs::Mode::from_raw_mode(0o700)).map_err(|errno| {
        Error::from(sys::Error::new(format!("cannot create `{}`", directory.display()), errno))
    })?;
    let rootfs = image
        .prepare(&record.id, durability)
        .doing(|| format!("cannot prepare the file system of container `{}`", record.name))?;
    record.rootfs = Some(rootfs);
    store::write_record(Dir::open(&directory)?, "record.json", record, durability)?;
    if durability == Durability::Synced {
        store::sync_dir(Dir::open(engine.containers())?)?;
    }
    Ok(())
}

/// Claims the name that is asked for, or one that is invented.
pub(super) fn claim_name(
    engine: &Engine,
    names: &Dir,
    asked: Option<&str>,
    id: &str,
    durability: Durability,
) -> Result<String> {
    if let Some(name) = asked {
        check_name(name)?;
        return match claim(engine, names, name, id, durability)? {
            None => Ok(name.to_owned()),
            Some(owner) => Err(Error::conflict(format!(
                "Conflict. The container name \"/{name}\" is already in use by container \"{owner}\""
            ))
            .hint(format!("remove it with `coracle rm {name}`, or choose another name"))),
        };
    }
    for salt in 0..100 {
        let name = invent_name(salt)?;
        if claim(engine, names, &name, id, durability)?.is_none() {
            return Ok(name);
        }
    }
    Err(Error::conflict("no free name was found").hint("give one with --name"))
}

/// Claims a name; returns its owner if it has one. A claim whose owner was never finished is void.
fn claim(
    engine: &Engine,
    names: &Dir,
    name: &str,
    id: &str,
    durability: Durability,
) -> Result<Option<String>> {
    match store::claim(names, name, id, durability) {
        Ok(()) => Ok(None),
        Err(store::Error::Taken { owner, .. }) => {
            let freed = match sys::fs::exists(engine.container_dir(&owner)) {
                true => free_misnamed(engine, names, name, &owner, durability)?,
                false => {
                    is_stale(engine, names, name, &owner) && store::release(names, name, &owner, durability)?
                }
            };
            if freed { claim(engine, names, name, id, durability) } else { Ok(Some(owner)) }
        }
        Err(error) => Err(error.into()),
    }
}

/// Frees a name whose owner is called otherwise: what a killed rename has left. While one is under way it holds the
/// owner's lock; to wait for it could be to wait for each other.
fn free_misnamed(
    engine: &Engine,
    names: &Dir,
    name: &str,
    owner: &str,
    durability: Durability,
) -> Result<bool> {
    let is_misnamed =
        || Ok::<_, Error>(Container::load(engine, owner)?.is_some_and(|other| other.record.name != name));
    if !is_misnamed()? {
        return Ok(false);
    }
    let lock = Dir::open(engine.container_dir(owner))
        .map_err(store::Error::from)
        .and_then(|directory| store::Lock::try_exclusive(directory, super::amend::LOCK));
    match lock {
        Ok(Some(_lock)) if is_misnamed()? => Ok(store::release(names, name, owner, durability)?),
        Ok(_) => Ok(false),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether the owner of a claim cannot be a creation under way, which makes its directory next.
///
/// The time of the claim is by a clock that may have been set since, in either direction: who seems old, or to come from
/// the future, is given another second by a clock that nobody sets.
fn is_stale(engine: &Engine, names: &Dir, name: &str, owner: &str) -> bool {
    const OLD: u64 = 10;
    let age = |stat: rustix::fs::Stat| (status::now() / 1_000_000_000).abs_diff(stat.st_mtime);
    if !names.lstat(name).is_ok_and(|stat| age(stat) > OLD) {
        return false;
    }
    std::thread::sleep(Duration::from_secs(1));
    !sys::fs::exists(engine.container_dir(owner))
}

/// Merges request and image as Docker does.
fn record_of(request: &ContainerRequest, image: &ImageForRun) -> Result<ContainerRecord> {
    let id = random_id()?;
    let config = &image.config;
    let args = arguments(request, config)?;
    let hostname = request.hostname.clone().unwrap_or_else(|| id[..12].to_owned());
    let workdir = request.workdir.as_ref().map(|path| path.display().to_string());
    let workdir = workdir.unwrap_or_else(|| config.working_dir.clone());
    let mut labels: BTreeMap<String, String> = config.labels.clone();
    labels.extend(request.labels.clone());
    Ok(ContainerRecord {
        name: String::new(),
        other_name: None,
        created: status::now(),
        request: request.clone(),
        image_id: image.id.clone(),
        rootfs: None,
        highest_id: image.highest_id,
        env: environment(request, config),
        args,
        workdir: if workdir.is_empty() { "/".to_owned() } else { workdir },
        user: request.user.clone().unwrap_or_else(|| config.user.clone()),
        hostname,
        stop_signal: Some(config.stop_signal.clone()).filter(|signal| !signal.is_empty()),
        healthcheck: super::health::merged(
            &request.health,
            request.no_healthcheck,
            config.healthcheck.as_ref(),
        ),
        shell: config.shell.clone(),
        labels,
        exposed_ports: config.exposed_ports.iter().cloned().collect(),
        volumes: config.volumes.iter().cloned().collect(),
        mounts: None,
        confinement: None,
        id,
    })
}

/// Entry point and command (docker run reference, "Overriding image defaults").
fn arguments(request: &ContainerRequest, config: &oci::image::Config) -> Result<Vec<String>> {
    let image_command = || config.cmd.clone().unwrap_or_default();
    let args = match &request.entrypoint {
        Entrypoint::Image => {
            let command = if request.command.is_empty() { image_command() } else { request.command.clone() };
            config.entrypoint.clone().unwrap_or_default().into_iter().chain(command).collect()
        }
        Entrypoint::Cleared => request.command.clone(),
        Entrypoint::Program(program) => {
            std::iter::once(program.clone()).chain(request.command.iter().cloned()).collect::<Vec<_>>()
        }
    };
    if args.is_empty() {
        return Err(Error::invalid(
            "no command specified: neither the image nor the command line names a program",
        )
        .hint("put the program after the image's name"));
    }
    Ok(args)
}

pub(super) const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// PATH, then the image's variables, then the request's changes.
fn environment(request: &ContainerRequest, config: &oci::image::Config) -> Vec<String> {
    let mut env: Vec<String> = config.env.clone();
    for change in &request.env {
        let prefix = format!("{}=", change.name);
        let old = env.iter().position(|entry| entry.starts_with(&prefix));
        match (&change.value, old) {
            (Some(value), Some(at)) => env[at] = format!("{prefix}{value}"),
            (Some(value), None) => env.push(format!("{prefix}{value}")),
            (None, Some(at)) => {
                env.remove(at);
            }
            (None, None) => {}
        }
    }
    if !env.iter().any(|entry| entry.starts_with("PATH=")) {
        env.insert(0, DEFAULT_PATH.to_owned());
    }
    env
}

/// Writes the id to a file that must not exist yet, as the last step.
fn write_cidfile(path: Option<&Path>, id: &str) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let failed = |error: std::io::Error| {
        let class = oci::class::Class::of_os_error(&error);
        Error::new(class, format!("cannot write the container id to `{}`", path.display()))
            .caused_by(error)
            .hint("remove the file, or name another one with --cidfile")
    };
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(id.as_bytes()).map_err(failed)
}
