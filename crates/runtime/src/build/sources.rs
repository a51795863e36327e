//! Sources that are opened before the root stands: directories inside a volume, and images beside the root's.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use oci::rootfs::{Overlay, Rootfs};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use sys::mount::{self, Attr, Parameter};
use sys::{Context, Dir};

use super::mounts::parameters;
use super::{Builder, Outcome};
use crate::error::Failure;
use crate::step::{BuildStep, Plan, Source};

/// Mounts may be stacked on the staging directory: the store and the layers over it.
const STACKED_MAX: usize = 4;

/// Clones what lies at a path inside a directory, resolved as in a chroot: no link that a container has put there
/// or swaps meanwhile leads out of it (CVE-2024-23651 is of this kind). It must exist, as with Docker.
pub(super) fn clone_below(root: &Path, below: &Path, recursive: bool) -> sys::Result<OwnedFd> {
    let root = Dir::open(root)?;
    mount::clone_fd(root.open_path(below)?.as_fd(), recursive)
}

/// Mounts file systems that lie on devices of the host, by step. The creator does it: the builder is in the
/// container's cgroup, whose device rules hold for it too.
pub(crate) fn open_devices(plan: &Plan) -> Outcome<Vec<(usize, OwnedFd)>> {
    let mut devices = Vec::new();
    for (index, step) in plan.build.iter().enumerate() {
        let BuildStep::Mount(step) = step else { continue };
        let Source::New { kind, source, options } = &step.source else { continue };
        if !source.starts_with('/') {
            continue;
        }
        let mut parameters = parameters(options);
        parameters.push(Parameter::Text("source", source.clone()));
        let attributes = (step.set & !step.recursive_clear) | step.recursive_set;
        let attributes = Attr::from_bits_truncate(attributes as u32);
        let mount = match mount::create(kind, &parameters, attributes) {
            // A device that can only be read. Not at once: the file system may be mounted writable elsewhere, and
            // one file system is either.
            Err(error)
                if attributes.contains(Attr::MOUNT_ATTR_RDONLY)
                    && matches!(error.errno(), Some(Errno::ROFS | Errno::ACCESS)) =>
            {
                parameters.push(Parameter::Flag("ro"));
                mount::create(kind, &parameters, attributes)
            }
            other => other,
        };
        let mount = mount.map_err(|error| {
            Failure::from(error)
                .during(&format!("cannot mount `{source}` at `{}`", step.destination.display()))
        })?;
        devices.push((index, mount));
    }
    Ok(devices)
}

impl Builder<'_> {
    /// Opens the images that are mounted beside the root. It happens while nothing is on the staging directory
    /// yet: on kernels that cannot stack detached mounts, that is where layers are attached for a moment.
    pub(super) fn open_images(&mut self) -> Outcome<()> {
        for (index, step) in self.plan.build.iter().enumerate() {
            let BuildStep::Mount(step) = step else { continue };
            let Source::Image { layers, subpath } = &step.source else { continue };
            let tree = self.open_image(layers, subpath.as_deref()).map_err(|failure| {
                failure.during(&format!("cannot mount the image at `{}`", step.destination.display()))
            })?;
            self.sources.push((index, tree));
        }
        Ok(())
    }

    fn open_image(&mut self, layers: &Overlay, subpath: Option<&Path>) -> Outcome<OwnedFd> {
        self.mount_layers(&Rootfs::Overlay(layers.clone()))?;
        let tree = || -> Outcome<OwnedFd> {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let top = rustix::fs::open(self.staging, flags, Mode::empty())
                .on_path("open the image at", self.staging)?;
            Ok(match subpath {
                None => mount::clone_fd(top.as_fd(), false)?,
                // Links of an image mean what they mean in it.
                Some(below) => {
                    let image = Dir::from_fd(top, "/");
                    mount::clone_fd(image.open_path(below)?.as_fd(), false)?
                }
            })
        };
        let tree = tree();
        for _ in 0..STACKED_MAX {
            if mount::detach(self.staging).is_err() {
                return tree;
            }
        }
        Err(Failure::refused("the mounts of an image cannot be taken from their place"))
    }
}
