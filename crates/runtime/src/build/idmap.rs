//! Id maps: of a new user namespace, and of single mounts.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

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

/// A mount to be attached below another one.
pub(super) struct Below {
    pub(super) path: PathBuf,
    pub(super) tree: OwnedFd,
}

/// Gives one mount of a tree the propagation and options that its step wants for all, and these.
fn restrict(tree: BorrowedFd<'_>, step: &MountStep, set: u64, clear: u64) -> Outcome<()> {
    let propagation = if step.propagation == 0 { mount::PRIVATE } else { step.propagation };
    let set = set | step.recursive_set;
    let clear = clear | step.recursive_clear;
    mount::set_attributes(tree, Change { set, clear, propagation, ..Change::default() })
        .on_path("set the options of the mount at", &step.destination)?;
    Ok(())
}

impl Builder<'_> {
    /// Id-maps a detached bind mount as its step says. Returns what to mount below it where the tree
    /// could not be mapped as a whole; `tree` is then its top alone.
    pub(super) fn map_ids(&mut self, tree: &mut OwnedFd, step: &MountStep) -> Outcome<Vec<Below>> {
        match &step.idmap {
            Idmap::No => {}
            Idmap::Container => return self.map_by_container(tree, step),
            Idmap::Owner => self.map_by_owner(tree.as_fd(), step)?,
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
                mount::set_attributes(tree.as_fd(), change)
                    .context(|| format!("cannot id-map the mount on `{}`", step.destination.display()))?;
            }
        }
        Ok(Vec::new())
    }

    /// Maps 1:1 by the container's user namespace. What the file system cannot do is told, not hidden:
    /// /dev, /proc, overlay, NFS and FUSE mounts have no id-mapping (mount_setattr(2)).
    fn map_by_container(&mut self, tree: &mut OwnedFd, step: &MountStep) -> Outcome<Vec<Below>> {
        let (Some(namespace), Source::Bind { path, recursive, subpath }) =
            (&self.user_namespace, &step.source)
        else {
            return Ok(Vec::new());
        };
        let change = Change { idmap: Some(namespace.as_fd()), recursive: *recursive, ..Change::default() };
        let Err(error) = mount::set_attributes(tree.as_fd(), change) else { return Ok(Vec::new()) };
        if !refusal(&error) {
            return Err(Failure {
                errno: error.raw_os_error(),
                ..Failure::refused(format!("cannot id-map `{}`", path.display()))
            });
        }
        let mut plain = Vec::new();
        let mut below = Vec::new();
        if *recursive && subpath.is_none() {
            // One of the tree is enough for the kernel to refuse all, and below the top of a tree that is
            // not attached nothing can be changed: take it apart.
            *tree = mount::clone_host_tree(path, false)?;
            restrict(tree.as_fd(), step, step.set, step.clear)?;
            below = self.clone_below(path);
        }
        let change = Change { recursive: false, ..change };
        if !*recursive || subpath.is_some() || mount::set_attributes(tree.as_fd(), change).is_err() {
            plain.push(path.display().to_string());
        }
        for mount in &below {
            restrict(mount.tree.as_fd(), step, 0, 0)?;
            if mount::set_attributes(mount.tree.as_fd(), change).is_err() {
                plain.push(path.join(&mount.path).display().to_string());
            }
        }
        if !plain.is_empty() {
            let list = shorten(&plain);
            self.warnings.push(format!(
                "{list} cannot be id-mapped by the file system: owners appear as nobody inside (`--userns=host` shows them as they are)"
            ));
        }
        Ok(below)
    }

    /// Maps a file system that was mounted for this container alone, as a bind of it would be.
    pub(super) fn map_new(&mut self, tree: BorrowedFd<'_>, step: &MountStep, kind: &str) -> Outcome<()> {
        match (&step.idmap, &self.user_namespace) {
            (Idmap::Container, Some(namespace)) => {
                let change = Change { idmap: Some(namespace.as_fd()), ..Change::default() };
                mount::set_attributes(tree, change).context(|| {
                    format!("cannot id-map the {kind} file system (`--userns=host` needs none)")
                })?;
            }
            (Idmap::Owner, _) => self.map_by_owner(tree, step)?,
            _ => {}
        }
        Ok(())
    }

    /// Clones each mount below a path of the host, outer ones first.
    fn clone_below(&self, source: &Path) -> Vec<Below> {
        let Ok(text) = sys::fs::read_to_string("/proc/self/mountinfo") else { return Vec::new() };
        let Some(source) = real_path(source) else { return Vec::new() };
        let points = text.lines().filter_map(|line| line.split(' ').nth(4)).map(unescape);
        // One look at each place: mounts may lie on each other, and the topmost is what a path finds.
        // Our own under construction came after the source was opened.
        let places: BTreeSet<PathBuf> = points.filter(|point| !point.starts_with(self.staging)).collect();
        let below = places.iter().filter_map(|point| {
            let path = point.strip_prefix(&source).ok().filter(|path| !path.as_os_str().is_empty())?;
            // One that another mount hides is not there for the container either.
            let tree = mount::clone_host_tree(point, false).ok()?;
            Some(Below { path: path.to_owned(), tree })
        });
        below.collect()
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

/// Returns the path without links that the kernel has for a path.
fn real_path(path: &Path) -> Option<PathBuf> {
    let fd = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let name = rustix::fs::readlink(format!("/proc/self/fd/{}", fd.as_raw_fd()), Vec::new()).ok()?;
    Some(PathBuf::from(OsString::from_vec(name.into_bytes())))
}

/// Reads a path of mountinfo, in which space, tab, newline and backslash stand as `\ooo` (proc(5)).
fn unescape(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let octal = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok();
        match after.get(..3).filter(|_| *byte == b'\\').and_then(octal) {
            Some(escaped) => {
                bytes.push(escaped);
                rest = &after[3..];
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_mountinfo_are_unescaped() {
        for (text, path) in
            [("/a", "/a"), (r"/a\040b\134c", r"/a b\c"), (r"/a\", r"/a\"), (r"/\999", r"/\999")]
        {
            assert_eq!(unescape(text), Path::new(path), "{text}");
        }
    }
}
