//! A container's group: one directory in every writable hierarchy, from creation to removal.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{Access, AtFlags, Gid, Mode, Uid, accessat, chownat, mkdirat, unlinkat};
use rustix::io::Errno;

use crate::controller::{Controller, Controllers};
use crate::error::{Error, Result, Warning};
use crate::file;
use crate::hierarchies::{Hierarchies, Mount};
use crate::layout::Kind;
use crate::path::CgroupPath;

/// How long removal waits for the last processes to leave.
const DESTROY_PATIENCE: Duration = Duration::from_secs(2);

/// One container's group.
#[derive(Debug)]
pub struct Group {
    pub(crate) hierarchies: Hierarchies,
    pub(crate) path: CgroupPath,
    pub(crate) members: Vec<Member>,
    /// Hierarchies that exist and could not be used, with the reason.
    pub(crate) missing: Vec<Missing>,
}

/// The group's directory in one hierarchy.
#[derive(Debug)]
pub(crate) struct Member {
    /// Index of the hierarchy.
    mount: usize,
    /// Path below the mount point.
    pub(crate) below: String,
    pub(crate) dir: OwnedFd,
}

/// A hierarchy in which the group could not be made.
#[derive(Debug)]
pub(crate) struct Missing {
    mount: usize,
    pub(crate) reason: String,
}

impl Group {
    /// Makes the group in every hierarchy; what was made is removed again on failure.
    ///
    /// An idle directory left over from a crash is replaced by a fresh one, so that no old limit stays. A hierarchy that is not
    /// writable is left out; see [`Group::unavailable`].
    pub fn create(hierarchies: &Hierarchies, path: &CgroupPath) -> Result<Self> {
        let mut group = Self::empty(hierarchies, path);
        for (index, mount) in hierarchies.mounts().iter().enumerate() {
            if mount.facts.read_only {
                group.missing.push(Missing { mount: index, reason: "it is mounted read-only".to_owned() });
                continue;
            }
            let below = mount.facts.resolve(path);
            match make(mount, &below) {
                Ok(dir) => group.members.push(Member { mount: index, below, dir }),
                Err(error) => match not_ours(&error) {
                    Some(errno) => group.missing.push(Missing { mount: index, reason: errno.to_string() }),
                    None => {
                        let _ = group.destroy();
                        return Err(error);
                    }
                },
            }
        }
        Ok(group)
    }

    /// Opens an existing group in the hierarchies that have it.
    pub fn open(hierarchies: &Hierarchies, path: &CgroupPath) -> Result<Self> {
        let mut group = Self::empty(hierarchies, path);
        for (index, mount) in hierarchies.mounts().iter().enumerate() {
            let below = mount.facts.resolve(path);
            match open(mount, &below) {
                Ok(dir) => group.members.push(Member { mount: index, below, dir }),
                Err(Errno::NOENT) => {}
                Err(error) => return Err(Error::io("open", mount.show(&below), error)),
            }
        }
        if group.members.is_empty() { Err(Error::NotFound { path: path.to_string() }) } else { Ok(group) }
    }

    /// Opens a group that many share, made in the hierarchies that lack it; those that are not writable are left out.
    ///
    /// Unlike [`Group::create`] it never replaces a directory that is there, so that several may call it at once.
    pub fn ensure(hierarchies: &Hierarchies, path: &CgroupPath) -> Result<Self> {
        let mut group = Self::empty(hierarchies, path);
        for (index, mount) in hierarchies.mounts().iter().enumerate() {
            let below = mount.facts.resolve(path);
            if let Err(Errno::NOENT) = accessat(&mount.fd, below.as_str(), Access::EXISTS, AtFlags::empty()) {
                let made = make_parents(mount, &below).map(|()| mkdir(mount, &below));
                if !matches!(made, Ok(Ok(()) | Err(Errno::EXIST))) {
                    continue;
                }
            }
            let dir = open(mount, &below).map_err(|error| Error::io("open", mount.show(&below), error))?;
            group.members.push(Member { mount: index, below, dir });
        }
        if group.members.is_empty() { Err(Error::NotFound { path: path.to_string() }) } else { Ok(group) }
    }

    /// Opens a group by the directories that [`Group::paths`] gave; children of them too.
    ///
    /// A relative path means another place to a caller in another group; these do not.
    pub fn reopen(hierarchies: &Hierarchies, paths: &BTreeMap<String, String>) -> Result<Self> {
        let shown = paths.values().next().cloned().unwrap_or_default();
        let name = shown.rsplit('/').next().filter(|name| !name.is_empty());
        let mut group = Self::empty(hierarchies, &CgroupPath::parse(name.unwrap_or("none"))?);
        for (index, mount) in hierarchies.mounts().iter().enumerate() {
            let Some(path) = paths.get(&mount.facts.label()) else { continue };
            let Ok(below) = Path::new(path).strip_prefix(&mount.facts.mountpoint) else { continue };
            let below = below.to_string_lossy().into_owned();
            match open(mount, &below) {
                Ok(dir) => group.members.push(Member { mount: index, below, dir }),
                Err(Errno::NOENT) => {}
                Err(error) => return Err(Error::io("open", path, error)),
            }
        }
        if group.members.is_empty() { Err(Error::NotFound { path: shown }) } else { Ok(group) }
    }

    fn empty(hierarchies: &Hierarchies, path: &CgroupPath) -> Self {
        let members = Vec::with_capacity(hierarchies.mounts().len());
        Self { hierarchies: hierarchies.clone(), path: path.clone(), members, missing: Vec::new() }
    }

    /// Returns the path that the group was made with.
    pub fn path(&self) -> &CgroupPath {
        &self.path
    }

    /// Tells why the group has no directory at all, if so: the container runs without limits, counters and freezer.
    pub fn unavailable(&self) -> Option<Warning> {
        if !self.members.is_empty() {
            return None;
        }
        let reason = match self.missing.first() {
            Some(missing) => {
                let mount = &self.hierarchies.mounts()[missing.mount];
                format!("cannot make `{}`: {}", mount.show(&mount.facts.resolve(&self.path)), missing.reason)
            }
            None => "no cgroup hierarchy is mounted".to_owned(),
        };
        Some(Warning {
            limit: format!("cgroup `{}` with all its limits", self.path),
            reason,
            remedy: "run as root with a writable /sys/fs/cgroup, or have a cgroup delegated to this user"
                .to_owned(),
        })
    }

    /// Returns the v2 directory for `CLONE_INTO_CGROUP`, `bpf(2)` or `pidfd`-less checks; also in hybrid mode.
    pub fn v2_fd(&self) -> Option<BorrowedFd<'_>> {
        self.v2().map(|member| member.dir.as_fd())
    }

    /// Returns the hierarchies' names and the group's path in each, as `state` and `inspect` show them.
    pub fn paths(&self) -> BTreeMap<String, String> {
        self.members.iter().map(|member| (self.mount(member).facts.label(), self.show(member))).collect()
    }

    /// Whether any hierarchy still has the group.
    pub fn exists(&self) -> bool {
        self.members.iter().any(|member| {
            accessat(&self.mount(member).fd, member.below.as_str(), Access::EXISTS, AtFlags::empty()).is_ok()
        })
    }

    /// Removes the group with its children in all hierarchies; succeeds if it is gone already.
    ///
    /// Processes must have ended: a killed one may need a moment to leave, which is waited for.
    pub fn destroy(&self) -> Result<()> {
        let mut first_error = None;
        // One patience for all hierarchies: the same processes are in each.
        let started = Instant::now();
        for member in &self.members {
            let mount = self.mount(member);
            if let Err(error) = remove(mount, &member.below, started)
                && first_error.is_none()
            {
                first_error = Some(match error {
                    Errno::BUSY | Errno::NOTEMPTY => {
                        Error::InUse { path: self.show(member), source: error.into() }
                    }
                    _ => Error::io("remove", self.show(member), error),
                });
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    /// Gives the v2 directory to a user of the container, who can make groups below it.
    ///
    /// The files are those of /sys/kernel/cgroup/delegate (runtime-spec 1.2, "cgroup ownership"): limits stay with the engine.
    pub fn delegate(&self, uid: u32, gid: u32) -> Result<()> {
        let Some(member) = self.v2() else { return Ok(()) };
        let files = file::read_path("/sys/kernel/cgroup/delegate")
            .unwrap_or_else(|_| "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n".to_owned());
        for name in std::iter::once(".").chain(files.lines()) {
            let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            match chownat(&member.dir, name, owner.0, owner.1, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => {
                    return Err(Error::io(
                        "change the owner of",
                        format!("{}/{name}", self.show(member)),
                        error,
                    ));
                }
            }
        }
        Ok(())
    }

    /// Returns the names of a group's children with the hierarchies that have each; an absent group has none.
    pub fn children(hierarchies: &Hierarchies, path: &CgroupPath) -> Result<BTreeMap<String, Vec<String>>> {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for mount in hierarchies.mounts() {
            let below = mount.facts.resolve(path);
            let dir = match file::open_place(mount.as_fd(), &below) {
                Ok(dir) => dir,
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(Error::io("open", mount.show(&below), error)),
            };
            let names = file::child_dirs(dir.as_fd())
                .map_err(|error| Error::io("list", mount.show(&below), error))?;
            for name in names {
                found.entry(name).or_default().push(mount.facts.label());
            }
        }
        Ok(found)
    }

    pub(crate) fn mount(&self, member: &Member) -> &Mount {
        &self.hierarchies.mounts()[member.mount]
    }

    /// Returns the directory's path for messages.
    pub(crate) fn show(&self, member: &Member) -> String {
        self.mount(member).show(&member.below)
    }

    /// Returns the directory in the v2 hierarchy.
    pub(crate) fn v2(&self) -> Option<&Member> {
        self.members.iter().find(|member| self.mount(member).facts.kind == Kind::V2)
    }

    /// Returns the directory in the v1 hierarchy that has the controller.
    pub(crate) fn v1(&self, controller: Controller) -> Option<&Member> {
        self.members.iter().find(|member| self.mount(member).facts.v1_controllers().contains(controller))
    }

    /// Tells why a controller cannot be used, and what would change that.
    pub(crate) fn why_missing(&self, controller: Controller) -> (String, &'static str) {
        let mounts = self.hierarchies.mounts();
        let missing = self.missing.iter().find(|missing| {
            let mount = &mounts[missing.mount];
            mount.facts.v1_controllers().contains(controller) || mount.offered.contains(controller)
        });
        let reason = match missing {
            Some(missing) => format!(
                "cannot use the `{}` hierarchy: {}",
                mounts[missing.mount].facts.label(),
                missing.reason
            ),
            None if mounts.is_empty() => "no cgroup hierarchy is mounted".to_owned(),
            None if let Some(busy) = self.busy_ancestor(controller) => {
                let remedy = "move them into a group below it, or choose another parent group";
                return (format!("`{busy}` above it has processes of its own"), remedy);
            }
            None => format!("the `{}` controller is not available", controller.v1_name()),
        };
        (reason, controller.remedy())
    }

    /// Returns the path of a group above this one that could hand out the controller, had it no processes.
    fn busy_ancestor(&self, controller: Controller) -> Option<String> {
        let member = self.v2()?;
        let mount = self.mount(member);
        if !mount.offered.contains(controller) {
            return None;
        }
        let is_busy =
            |parent: &&str| file::open_place(mount.as_fd(), parent).is_ok_and(|dir| competes(dir.as_fd()));
        std::iter::once(".").chain(ancestors(&member.below)).find(is_busy).map(|parent| mount.show(parent))
    }
}

/// Returns the error number when a hierarchy belongs to somebody else, so that the group does without it.
fn not_ours(error: &Error) -> Option<Errno> {
    let Error::Io { source, .. } = error else { return None };
    let errno = Errno::from_raw_os_error(source.raw_os_error()?);
    matches!(errno, Errno::ACCESS | Errno::PERM | Errno::ROFS).then_some(errno)
}

/// Makes and opens a group's directory in one hierarchy.
fn make(mount: &Mount, below: &str) -> Result<OwnedFd> {
    let failed = |error| Error::io("make cgroup", mount.show(below), error);
    match mkdir(mount, below) {
        Ok(()) => {}
        Err(Errno::NOENT) => {
            make_parents(mount, below)?;
            mkdir(mount, below).map_err(failed)?;
        }
        Err(Errno::EXIST) => match unlinkat(mount, below, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => mkdir(mount, below).map_err(failed)?,
            Err(error @ (Errno::BUSY | Errno::NOTEMPTY)) => {
                return Err(Error::InUse { path: mount.show(below), source: error.into() });
            }
            // Delegated: the parent is not ours to change, the directory is.
            Err(Errno::ACCESS | Errno::PERM) => {}
            Err(error) => return Err(failed(error)),
        },
        Err(error) => return Err(failed(error)),
    }
    let dir = open(mount, below).map_err(|error| Error::io("open", mount.show(below), error))?;
    // Other controllers are enabled when a limit needs one.
    let wanted = mount.offered.and(Controllers::USUAL);
    if !wanted.is_empty() && !wanted.without(v2_controllers(dir.as_fd())).is_empty() {
        enable(mount, below, wanted);
    }
    Ok(dir)
}

fn open(mount: &Mount, below: &str) -> rustix::io::Result<OwnedFd> {
    match mount.facts.kind {
        Kind::V2 => file::open_dir(mount.as_fd(), below),
        Kind::V1 { .. } => file::open_place(mount.as_fd(), below),
    }
}

fn mkdir(mount: &Mount, below: &str) -> rustix::io::Result<()> {
    sys::failpoint::step();
    mkdirat(&mount.fd, below, Mode::from_raw_mode(0o755))
}

/// Makes the missing ancestors of a group; another start may be doing the same.
fn make_parents(mount: &Mount, below: &str) -> Result<()> {
    for parent in ancestors(below) {
        match mkdir(mount, parent) {
            Ok(()) => {}
            Err(Errno::EXIST) => continue,
            Err(error) => return Err(Error::io("make cgroup", mount.show(parent), error)),
        }
        if mount.facts.v1_controllers().contains(Controller::Cpuset)
            && let Ok(dir) = file::open_place(mount.as_fd(), parent)
        {
            crate::attach::inherit_cpuset(dir.as_fd());
            // From now on the kernel itself copies the cpus and memory nodes into each new child.
            let _ = file::write(dir.as_fd(), "cgroup.clone_children", b"1");
        }
    }
    Ok(())
}

/// Returns the ancestors of a path from the top down, without the path itself.
fn ancestors(below: &str) -> impl Iterator<Item = &str> {
    below.match_indices('/').map(|(end, _)| &below[..end])
}

/// Returns what a v2 group can limit.
pub(crate) fn v2_controllers(dir: BorrowedFd<'_>) -> Controllers {
    let mut buffer = [0; 256];
    let text = file::read_into(dir, "cgroup.controllers", &mut buffer).unwrap_or_default();
    std::str::from_utf8(text).map_or(Controllers::NONE, Controllers::parse)
}

/// Enables v2 controllers in every ancestor from the root down, as far as the kernel lets us.
///
/// An ancestor that has processes (the root of a cgroup namespace with the engine in it) is left alone; then the group is
/// without those controllers, and a limit that needs one says so.
pub(crate) fn enable(mount: &Mount, below: &str, wanted: Controllers) {
    for parent in std::iter::once(".").chain(ancestors(below)) {
        let Ok(dir) = file::open_place(mount.as_fd(), parent) else { return };
        if competes(dir.as_fd()) {
            return;
        }
        let together: Vec<String> =
            wanted.iter().map(|controller| format!("+{}", controller.v2_name())).collect();
        if file::write(dir.as_fd(), "cgroup.subtree_control", together.join(" ").as_bytes()).is_ok() {
            continue;
        }
        // One that is refused must not cost the others.
        for one in together {
            let _ = file::write(dir.as_fd(), "cgroup.subtree_control", one.as_bytes());
        }
    }
}

/// Whether a v2 group has processes of its own, which the kernel keeps apart from groups with controllers.
///
/// It refuses most controllers. Those of threads it would take (`cpu`, `cpuset`, `pids`), and make groups below such that
/// no process may enter (Documentation/admin-guide/cgroup-v2.rst, "Threads"). The root of all, without a type, may have both.
fn competes(dir: BorrowedFd<'_>) -> bool {
    let mut buffer = [0; 16];
    accessat(dir, "cgroup.type", Access::EXISTS, AtFlags::empty()).is_ok()
        && file::read_into(dir, "cgroup.procs", &mut buffer).is_ok_and(|text| !text.is_empty())
}

/// Removes a group: alone at first, then with its children, bottom up, again until they are idle.
fn remove(mount: &Mount, below: &str, started: Instant) -> rustix::io::Result<()> {
    sys::failpoint::step();
    let rmdir = |path: &str| match unlinkat(mount, path, AtFlags::REMOVEDIR) {
        Err(Errno::NOENT) => Ok(()),
        result => result,
    };
    let mut pause = Duration::from_micros(100);
    loop {
        match rmdir(below) {
            Err(Errno::BUSY | Errno::NOTEMPTY) => {}
            result => return result,
        }
        for child in descendants(mount, below) {
            let _ = rmdir(&child);
        }
        match rmdir(below) {
            Err(Errno::BUSY | Errno::NOTEMPTY) if started.elapsed() < DESTROY_PATIENCE => {
                sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(50));
            }
            result => return result,
        }
    }
}

/// Returns the paths of all groups below one, children before parents.
pub(crate) fn descendants(mount: &Mount, below: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut queue = vec![below.to_owned()];
    while let Some(parent) = queue.pop() {
        let Ok(dir) = file::open_place(mount.as_fd(), &parent) else { continue };
        for name in file::child_dirs(dir.as_fd()).unwrap_or_default() {
            let child = format!("{parent}/{name}");
            found.push(child.clone());
            queue.push(child);
        }
    }
    // A parent is always found before its children.
    found.reverse();
    found
}

impl AsFd for Mount {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
