//! The hierarchies of this machine, opened: the cheap live side of [`Layout`].

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{Access, AtFlags, CWD, accessat, fstatfs, statfs};
use rustix::io::Errno;

use crate::controller::{Controller, Controllers};
use crate::error::{Error, Result};
use crate::file;
use crate::layout::{Hierarchy, Kind, Layout, Mode, USUAL_PLACE};

/// `CGROUP_SUPER_MAGIC` and `CGROUP2_SUPER_MAGIC` of linux/magic.h.
const CGROUP_MAGIC: u64 = 0x0027_e0eb;
const CGROUP2_MAGIC: u64 = 0x6367_7270;

/// The flag of a read-only mount in statfs(2).
const ST_RDONLY: i64 = 1;

/// The mounted hierarchies with a descriptor of each mount point; cheap to clone.
#[derive(Debug, Clone)]
pub struct Hierarchies(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    mounts: Vec<Mount>,
    mode: Mode,
}

/// One hierarchy and its mount point.
#[derive(Debug)]
pub(crate) struct Mount {
    pub(crate) facts: Hierarchy,
    pub(crate) fd: OwnedFd,
    /// What the root of a v2 hierarchy offers.
    pub(crate) offered: Controllers,
}

impl Hierarchies {
    /// Finds and opens what is mounted.
    ///
    /// The usual places are tried first; mountinfo, whose length is that of the caller's mount table, is read only where a
    /// hierarchy is not there.
    pub fn detect() -> Result<Self> {
        let own = match file::read_path("/proc/self/cgroup") {
            Ok(text) => text,
            // A kernel without cgroups has no such file.
            Err(Errno::NOENT) => return Self::open(&Layout::default()),
            Err(error) => return Err(Error::io("read", "/proc/self/cgroup", error)),
        };
        let usual = statfs(USUAL_PLACE).map(|stat| u64::try_from(stat.f_type).unwrap_or(0));
        let guess = match usual {
            Ok(CGROUP2_MAGIC) => Layout::parse("1 1 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw", &own),
            Ok(_) => Layout::guess_v1(&own),
            Err(_) => Layout::default(),
        };
        if !guess.hierarchies.is_empty()
            && let Ok(found) = Self::open(&guess)
            && found.mounts().iter().all(Mount::has_own_group)
        {
            return Ok(found);
        }
        let mountinfo = file::read_path("/proc/self/mountinfo")
            .map_err(|error| Error::io("read", "/proc/self/mountinfo", error))?;
        Self::open(&Layout::parse(&mountinfo, &own))
    }

    /// Returns the descriptors of the mount points.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.mounts.iter().map(|mount| mount.fd.as_fd())
    }

    /// Finds and opens the v2 hierarchy alone, at one of its usual places; `None` where it is not there.
    pub fn detect_v2() -> Option<Self> {
        let own = file::read_path("/proc/self/cgroup").ok()?;
        let is_v2 =
            |place: &&str| statfs(*place).is_ok_and(|stat| u64::try_from(stat.f_type) == Ok(CGROUP2_MAGIC));
        let place = [USUAL_PLACE, "/sys/fs/cgroup/unified"].into_iter().find(is_v2)?;
        Self::open(&Layout::parse(&format!("1 1 0:1 / {place} rw - cgroup2 cgroup2 rw"), &own)).ok()
    }

    /// Opens the hierarchies of a layout; fails when one is not what the layout says.
    pub fn open(layout: &Layout) -> Result<Self> {
        let mounts: Vec<Mount> = layout.hierarchies.iter().map(Mount::open).collect::<Result<_>>()?;
        Ok(Self(Arc::new(Inner { mounts, mode: layout.mode() })))
    }

    /// Returns how the hierarchies are arranged.
    pub fn mode(&self) -> Mode {
        self.0.mode
    }

    /// Whether some hierarchy has the controller.
    pub fn offers(&self, controller: Controller) -> bool {
        self.mounts().iter().any(|mount| mount.offers(controller))
    }

    /// Whether swap is limited: on v1 only where the kernel was told to count it (`swapaccount=1`).
    pub fn limits_swap(&self) -> bool {
        self.mounts().iter().filter(|mount| mount.offers(Controller::Memory)).any(|mount| {
            let file = match mount.facts.kind {
                Kind::V1 { .. } => mount.facts.mountpoint.join("memory.memsw.limit_in_bytes"),
                // The root has no limits of its own; without CONFIG_SWAP this file is not there either.
                Kind::V2 => "/proc/swaps".into(),
            };
            accessat(CWD, file, Access::EXISTS, AtFlags::empty()).is_ok()
        })
    }

    /// Returns the hierarchies.
    pub fn iter(&self) -> impl Iterator<Item = &Hierarchy> {
        self.mounts().iter().map(|mount| &mount.facts)
    }

    pub(crate) fn mounts(&self) -> &[Mount] {
        &self.0.mounts
    }
}

impl Mount {
    fn offers(&self, controller: Controller) -> bool {
        match &self.facts.kind {
            Kind::V1 { controllers, .. } => controllers.contains(controller),
            Kind::V2 => self.offered.contains(controller),
        }
    }

    fn open(facts: &Hierarchy) -> Result<Self> {
        let path = facts.mountpoint.display().to_string();
        let fd = file::open_place(CWD, &path).map_err(|error| Error::io("open", &path, error))?;
        let is = fstatfs(&fd).map_err(|error| Error::io("stat", &path, error))?;
        let expected = if facts.kind == Kind::V2 { CGROUP2_MAGIC } else { CGROUP_MAGIC };
        if u64::try_from(is.f_type).ok() != Some(expected) {
            return Err(Error::io("use", path, Errno::NODEV));
        }
        let mut facts = facts.clone();
        facts.read_only |= is.f_flags & ST_RDONLY != 0;
        let offered = match facts.kind {
            Kind::V2 => Controllers::parse(&file::read(fd.as_fd(), "cgroup.controllers").unwrap_or_default()),
            Kind::V1 { .. } => Controllers::NONE,
        };
        Ok(Self { facts, fd, offered })
    }

    /// Whether the engine's own group lies below this mount, as guessed: it does not where an engine runs in a container without
    /// a cgroup namespace.
    fn has_own_group(&self) -> bool {
        let own = self.facts.own.trim_start_matches('/');
        own.is_empty() || accessat(&self.fd, own, Access::EXISTS, AtFlags::empty()).is_ok()
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Returns a path for messages.
    pub(crate) fn show(&self, below: &str) -> String {
        self.facts.mountpoint.join(below).display().to_string()
    }
}
