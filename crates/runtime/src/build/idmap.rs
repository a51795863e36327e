//! Id maps: of a new user namespace, and of single mounts.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use oci::runtime::IdMapping;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use sys::Context;
use sys::mount::{self, Change};
use sys::process::{self, CloneOptions, NEWUSER, Pid};

use super::{Builder, Outcome};
use crate::error::Failure;
use crate::step::{Idmap, MountStep, Source};

/// Writes `/proc/PID/{uid,gid}_map` (user_namespaces(7)).
pub(super) fn write_maps(pid: Pid, uid_map: &[IdMapping], gid_map: &[IdMapping]) -> Outcome<()> {
    for (file, map) in [("uid_map", uid_map), ("gid_map", gid_map)] {
        let text: String = map
            .iter()
            .map(|line| format!("{} {} {}\n", line.container_id, line.host_id, line.size))
            .collect();
        sys::fs::write(format!("/proc/{pid}/{file}"), text)
            .map_err(|error| Failure::from(error).during("cannot map the container's ids"))?;
    }
    Ok(())
}

/// Returns a user namespace with these maps and no process in it.
pub(crate) fn user_namespace(uid_map: &[IdMapping], gid_map: &[IdMapping]) -> Outcome<OwnedFd> {
    let (ours, theirs) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).context(|| "cannot make a pipe".into())?;
    let reader = ours.as_fd();
    let child = process::clone(CloneOptions { namespaces: NEWUSER, ..CloneOptions::default() }, || {
        // Only the parent may hold the writing end, or the pipe never ends.
        let _ = process::close_all_but(&[reader]);
        let mut byte = [0];
        let _ = rustix::io::read(reader, &mut byte);
        0
    })?;
    let opened = write_maps(child.pid, uid_map, gid_map).and_then(|()| {
        let path = format!("/proc/{}/ns/user", child.pid);
        Ok(rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .on_path("open", Path::new(&path))?)
    });
    drop(theirs);
    process::wait(child.pid)?;
    opened
}

impl Builder<'_> {
    /// Id-maps a detached bind mount as its step says.
    pub(super) fn map_ids(&mut self, tree: BorrowedFd<'_>, step: &MountStep) -> Outcome<()> {
        let recursive = matches!(step.source, Source::Bind { recursive: true, .. });
        match &step.idmap {
            Idmap::No => Ok(()),
            Idmap::Container => self.map_by_container(tree, step, recursive),
            Idmap::Owner => self.map_by_owner(tree, step),
            Idmap::Explicit { uid, gid, recursive } => {
                let owned;
                let namespace = if uid.is_empty() {
                    self.user_namespace.as_ref().ok_or_else(|| {
                        Failure::refused(format!(
                            "id-mapped mount on `{}` needs a user namespace",
                            step.destination.display()
                        ))
                    })?
                } else {
                    owned = user_namespace(uid, gid)?;
                    &owned
                };
                let change =
                    Change { idmap: Some(namespace.as_fd()), recursive: *recursive, ..Change::default() };
                mount::set_attributes(tree, change)
                    .context(|| format!("cannot id-map the mount on `{}`", step.destination.display()))?;
                Ok(())
            }
        }
    }

    /// Maps 1:1 by the container's user namespace. What the file system cannot do is told, not hidden:
    /// /dev, /proc, overlay, NFS and FUSE mounts have no id-mapping (mount_setattr(2)).
    fn map_by_container(&mut self, tree: BorrowedFd<'_>, step: &MountStep, recursive: bool) -> Outcome<()> {
        let Some(namespace) = self.user_namespace.as_ref() else { return Ok(()) };
        let change = Change { idmap: Some(namespace.as_fd()), recursive, ..Change::default() };
        let Err(error) = mount::set_attributes(tree, change) else { return Ok(()) };
        let Source::Bind { path, .. } = &step.source else { return Ok(()) };
        let mut plain = Vec::new();
        let mut done = false;
        if recursive {
            done = mount::set_attributes(tree, Change { recursive: false, ..change }).is_ok();
            self.map_below(tree, path, change, &mut plain);
        }
        if !done {
            plain.insert(0, path.display().to_string());
        }
        if !refusal(&error) {
            return Err(Failure {
                errno: error.raw_os_error(),
                ..Failure::refused(format!("cannot id-map `{}`", path.display()))
            });
        }
        if !plain.is_empty() {
            let list = shorten(&plain);
            self.warnings.push(format!(
                "{list} cannot be id-mapped by the file system: owners appear as nobody inside (`--userns=host` shows them as they are)"
            ));
        }
        Ok(())
    }

    /// Maps each mount below a recursive bind on its own, where the whole cannot be mapped at once.
    fn map_below(&self, tree: BorrowedFd<'_>, source: &Path, change: Change<'_>, plain: &mut Vec<String>) {
        let Ok(text) = sys::fs::read_to_string("/proc/self/mountinfo") else { return };
        for point in text.lines().filter_map(|line| line.split(' ').nth(4)) {
            let Ok(below) = Path::new(point).strip_prefix(source) else { continue };
            if below.as_os_str().is_empty() {
                continue;
            }
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let Ok(fd) = rustix::fs::openat(tree, below, flags, Mode::empty()) else { continue };
            if mount::set_attributes(fd.as_fd(), Change { recursive: false, ..change }).is_err() {
                plain.push(point.to_owned());
            }
        }
    }

    /// Maps so that the owner of the source is root inside, and nobody else is anybody.
    fn map_by_owner(&mut self, tree: BorrowedFd<'_>, step: &MountStep) -> Outcome<()> {
        let stat = rustix::fs::fstat(tree).on_path("look at the source of", &step.destination)?;
        let line = |owner: u32, root: u32| IdMapping { container_id: owner, host_id: root, size: 1 };
        let namespace = user_namespace(
            &[line(stat.st_uid, self.plan.root_uid)],
            &[line(stat.st_gid, self.plan.root_gid)],
        )?;
        let change = Change { idmap: Some(namespace.as_fd()), ..Change::default() };
        mount::set_attributes(tree, change).context(|| {
            format!("cannot id-map the mount on `{}` to its owner", step.destination.display())
        })?;
        Ok(())
    }
}

/// Whether the kernel says that this file system has no id-mapping.
fn refusal(error: &std::io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::INVAL | Errno::PERM | Errno::OPNOTSUPP))
}

/// Shows at most three of many.
fn shorten(paths: &[String]) -> String {
    match paths {
        [a, b, c, rest @ ..] if !rest.is_empty() => format!("`{a}`, `{b}`, `{c}` and {} more", rest.len()),
        _ => format!("`{}`", paths.join("`, `")),
    }
}
