//! What the kernel's security modules add to a container: an AppArmor profile, or SELinux labels.

pub(crate) mod apparmor;
pub(crate) mod selinux;

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use sys::{Context, Dir};

use crate::container::{ContainerRecord, Placed};
use crate::error::{Doing, Error, Result};
use crate::paths::Engine;
use crate::request::{Relabel, Security};
use selinux::Labels;

/// What was decided for one container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Confinement {
    /// The profile its processes start under; none where the kernel has no AppArmor.
    pub(crate) apparmor: Option<String>,
    /// None where SELinux is off.
    pub(crate) labels: Option<Labels>,
    /// What could not be given.
    pub(crate) warnings: Vec<String>,
}

impl Confinement {
    /// The label of its processes.
    pub(crate) fn process_label(&self) -> Option<String> {
        self.labels.as_ref().map(|labels| labels.process.clone()).filter(|label| !label.is_empty())
    }

    /// The label of its files.
    pub(crate) fn mount_label(&self) -> Option<String> {
        self.labels.as_ref().map(|labels| labels.mount.clone()).filter(|label| !label.is_empty())
    }
}

/// Refuses what this machine cannot give to any container.
pub(crate) fn check(security: &Security) -> Result<()> {
    apparmor::check(security)?;
    selinux::check_options(&security.labels)
}

/// Decides for a container, and loads what it needs into the kernel.
pub(crate) fn of(engine: &Engine, record: &ContainerRecord) -> Result<Confinement> {
    let mut warnings = Vec::new();
    let apparmor = apparmor::prepare(engine, &record.request.security, &mut warnings)?;
    let labels = record.confinement.clone().filter(|_| selinux::is_enabled());
    if labels.is_none() && selinux::is_enabled() {
        warnings.push(
            "the container is older than SELinux on this machine and has no label: make it anew".to_owned(),
        );
    }
    Ok(Confinement { apparmor, labels, warnings })
}

/// Refuses mounts that may not be labelled, before there is a container.
pub(crate) fn check_mounts(engine: &Engine, record: &ContainerRecord) -> Result<()> {
    if record.confinement.is_none() {
        return Ok(());
    }
    record.placed().iter().try_for_each(|placed| to_label(engine, placed).map(drop))
}

/// Lets a container with a label at the engine's own files in it, its volumes, and what was asked for with `z` and `Z`.
pub(crate) fn label_files(
    engine: &Engine,
    record: &ContainerRecord,
    confinement: &Confinement,
) -> Result<()> {
    let Some(label) = confinement.mount_label() else { return Ok(()) };
    let shared = selinux::shared_label(&label)?;
    let directory = Dir::open(engine.container_dir(&record.id))?;
    for name in ["hostname", "hosts", "resolv.conf"].map(Path::new) {
        if directory.exists(name)? {
            selinux::relabel_file(&directory, name, &label)?;
        }
    }
    for placed in record.placed() {
        let Some((top, relabel)) = to_label(engine, &placed)? else { continue };
        let label = if relabel == Relabel::Shared { &shared } else { &label };
        let path = top.label().to_owned();
        selinux::relabel_tree(top, label)
            .doing(|| format!("cannot label `{}` for the container", path.display()))?;
    }
    Ok(())
}

/// What of the host gets a label for a mount, pinned and checked, and which.
fn to_label(engine: &Engine, placed: &Placed) -> Result<Option<(Dir, Relabel)>> {
    let Some(relabel) = relabel_of(placed) else { return Ok(None) };
    let Some(top) = source(engine, placed)? else { return Ok(None) };
    selinux::check_source(top.label())?;
    Ok(Some((top, relabel)))
}

/// Volumes are for all containers unless asked otherwise, as with Docker.
fn relabel_of(placed: &Placed) -> Option<Relabel> {
    match placed {
        Placed::Bind(bind) => bind.relabel,
        Placed::Volume(volume) => Some(volume.relabel.unwrap_or(Relabel::Shared)),
        Placed::Tmpfs(_) | Placed::Image(_) => None,
    }
}

/// Returns what of the host is mounted, a file too, under the name that it has without links: who checks the name and
/// labels the file may rely on both being the same, whatever is put in its place.
fn source(engine: &Engine, placed: &Placed) -> Result<Option<Dir>> {
    let path = match placed {
        Placed::Bind(bind) => bind.source.clone(),
        Placed::Volume(volume) => {
            let volumes = crate::volume::open(engine)?;
            match volumes.get(&volume.name)?.backing()? {
                volume::Backing::Directory => volumes.mountpoint(&volume.name),
                // What an administrator has named for it is his, as a bind without `z` is.
                _ => return Ok(None),
            }
        }
        Placed::Tmpfs(_) | Placed::Image(_) => return Ok(None),
    };
    let fd = rustix::fs::open(&path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).on_path("open", &path)?;
    let name = rustix::fs::readlink(format!("/proc/self/fd/{}", fd.as_raw_fd()), Vec::new())
        .on_path("resolve", &path)?;
    let name = String::from_utf8(name.into_bytes())
        .map_err(|_| Error::invalid(format!("the path of `{}` is not UTF-8", path.display())))?;
    Ok(Some(Dir::from_fd(fd, PathBuf::from(name))))
}
