//! The root mount: overlay over an id-mapped clone of the store, or a plain directory.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use oci::rootfs::{Overlay, Rootfs};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use sys::mount::{self, Change, Parameter};
use sys::{Context, Dir};

use super::{Builder, Outcome, host_name};
use crate::error::Failure;

/// How overlayfs is told of its layers, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Via {
    /// Descriptors of a detached mount (Linux 6.15).
    Detached,
    /// Descriptors of a mount attached in the private namespace (Linux 6.13).
    Attached,
    /// Paths under /proc/self/fd in one option string of mount(2) (any kernel).
    OptionString,
}

const WAYS: [Via; 3] = [Via::Detached, Via::Attached, Via::OptionString];

impl Builder<'_> {
    /// Mounts layers or a directory on the staging directory.
    pub(super) fn mount_layers(&self, rootfs: &Rootfs) -> Outcome<()> {
        let target = Dir::open(self.staging)?;
        match rootfs {
            Rootfs::Directory(path) => {
                let tree = mount::clone_host_tree(path, true)
                    .map_err(|error| Failure::from(error).during("cannot use the root file system"))?;
                let change = Change { propagation: mount::PRIVATE, recursive: true, ..Change::default() };
                mount::set_attributes(tree.as_fd(), change).on_path("make private", path)?;
                mount::attach(tree.as_fd(), target.as_fd()).on_path("attach the root at", self.staging)?;
            }
            Rootfs::Overlay(overlay) => self.mount_overlay(overlay, &target, &WAYS)?,
        }
        Ok(())
    }

    /// Mounts the root and opens it.
    pub(super) fn mount_root(&mut self, rootfs: &Rootfs) -> Outcome<()> {
        self.mount_layers(rootfs)?;
        // Open what is mounted now, not the directory below it.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root =
            rustix::fs::open(self.staging, flags, Mode::empty()).on_path("open the root at", self.staging)?;
        // Messages name what is below as the container does.
        let root = Dir::from_fd(root, Path::new("/"));
        if matches!(rootfs, Rootfs::Overlay(overlay) if overlay.upper.is_some()) {
            assert_writable(&root)?;
        }
        self.root = Some(root);
        Ok(())
    }

    /// Mounts the overlay by the first of the ways that the kernel knows.
    fn mount_overlay(&self, overlay: &Overlay, target: &Dir, ways: &[Via]) -> Outcome<()> {
        let store = mount::clone_host_tree(&overlay.store, false)
            .map_err(|error| Failure::from(error).during("cannot use the image store"))?;
        if let Some(namespace) = &self.user_namespace {
            let change = Change { idmap: Some(namespace.as_fd()), ..Change::default() };
            mount::set_attributes(store.as_fd(), change).map_err(|error| Failure {
                errno: error.raw_os_error(),
                ..Failure::refused(format!(
                    "cannot id-map the store `{}` (its file system has none: move it with --root, or use --userns=host)",
                    overlay.store.display()
                ))
            })?;
        }
        if let ([layer], None) = (overlay.lowers.as_slice(), &overlay.upper) {
            return self.mount_layer(layer, overlay, &store, target);
        }
        let mut last = None;
        let mut attached = false;
        for via in ways.iter().copied() {
            if via != Via::Detached && !attached {
                // From here on the clone must be attached somewhere; nobody else sees this namespace.
                mount::attach(store.as_fd(), target.as_fd()).on_path("attach the store at", self.staging)?;
                attached = true;
            }
            match self.overlay_via(via, overlay, &store, target) {
                Ok(()) => return Ok(()),
                Err(error)
                    if matches!(error.errno(), Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)) =>
                {
                    last = Some(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(last.map_or_else(|| Failure::refused("cannot mount the layers"), Failure::from))
    }

    /// Shows a single layer: overlayfs wants two at least.
    fn mount_layer(&self, layer: &Path, overlay: &Overlay, store: &OwnedFd, target: &Dir) -> Outcome<()> {
        mount::attach(store.as_fd(), target.as_fd()).on_path("attach the store at", self.staging)?;
        let tree = mount::clone_fd(open_layer(overlay, store, layer)?.as_fd(), false)?;
        let change = Change { set: mount::Attr::MOUNT_ATTR_RDONLY.bits().into(), ..Change::default() };
        mount::set_attributes(tree.as_fd(), change).on_path("make read-only", layer)?;
        mount::attach(tree.as_fd(), target.as_fd()).on_path("attach the root at", self.staging)?;
        Ok(())
    }

    fn overlay_via(&self, via: Via, overlay: &Overlay, store: &OwnedFd, target: &Dir) -> sys::Result<()> {
        let layers = Layers::open(overlay, store)?;
        if via == Via::OptionString {
            let mut options = layers.option_string();
            if let Some(label) = &self.plan.mount_label {
                // In quotes, as commas part options.
                options.push_str(&format!(",context=\"{label}\""));
            }
            return mount::overlay_by_option_string(self.staging, &options);
        }
        let mut parameters = Vec::with_capacity(layers.lowers.len() + 6);
        parameters.extend(layers.lowers.iter().map(|fd| Parameter::Fd("lowerdir+", fd.as_fd())));
        if let Some((upper, work, volatile)) = &layers.upper {
            parameters.push(Parameter::Fd("upperdir", upper.as_fd()));
            parameters.push(Parameter::Fd("workdir", work.as_fd()));
            if *volatile {
                parameters.push(Parameter::Flag("volatile"));
            }
        }
        for option in ["redirect_dir", "metacopy", "index"] {
            parameters.push(Parameter::Text(option, "off".into()));
        }
        self.labelled(&mut parameters);
        let mount = mount::create("overlay", &parameters, mount::Attr::empty())?;
        mount::attach(mount.as_fd(), target.as_fd()).on_path("attach the root at", self.staging)
    }
}

/// The opened directories of an overlay.
struct Layers {
    lowers: Vec<OwnedFd>,
    upper: Option<(OwnedFd, OwnedFd, bool)>,
}

impl Layers {
    fn open(overlay: &Overlay, store: &OwnedFd) -> sys::Result<Self> {
        let open = |path: &Path| open_layer(overlay, store, path);
        let lowers = overlay.lowers.iter().map(|path| open(path)).collect::<sys::Result<Vec<_>>>()?;
        let upper = match &overlay.upper {
            Some(upper) => Some((open(&upper.upper)?, open(&upper.work)?, upper.volatile)),
            None => None,
        };
        Ok(Self { lowers, upper })
    }

    /// One page of options holds more than two hundred layers named by descriptor.
    fn option_string(&self) -> String {
        let name = |fd: &OwnedFd| format!("/proc/self/fd/{}", fd.as_raw_fd());
        let lowers: Vec<String> = self.lowers.iter().map(name).collect();
        let mut text = format!("lowerdir={},redirect_dir=off,metacopy=off,index=off", lowers.join(":"));
        if let Some((upper, work, volatile)) = &self.upper {
            text.push_str(&format!(",upperdir={},workdir={}", name(upper), name(work)));
            if *volatile {
                text.push_str(",volatile");
            }
        }
        text
    }
}

fn open_layer(overlay: &Overlay, store: &OwnedFd, path: &Path) -> sys::Result<OwnedFd> {
    openat2(
        store,
        path,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
    )
    .on_path("open layer", &host_name(&overlay.store.join(path)))
}

/// An id-mapped upper may be mounted silently read-only when its work directory cannot be made.
fn assert_writable(root: &Dir) -> Outcome<()> {
    let stat = rustix::fs::fstatvfs(root).context(|| "cannot look at the root file system".into())?;
    if stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
        return Err(Failure::refused(
            "the kernel mounted the root file system read-only: the upper directory of its overlay is not usable",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
