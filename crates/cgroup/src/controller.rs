//! The controllers of the kernel under one name for v1 and v2, and sets of them.

use std::fmt;

/// A resource controller; `Io` is v1's `blkio`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Controller {
    Cpu = 1,
    Cpuacct = 1 << 1,
    Cpuset = 1 << 2,
    Memory = 1 << 3,
    Io = 1 << 4,
    Pids = 1 << 5,
    Devices = 1 << 6,
    Freezer = 1 << 7,
    Hugetlb = 1 << 8,
    NetCls = 1 << 9,
    NetPrio = 1 << 10,
    PerfEvent = 1 << 11,
    Rdma = 1 << 12,
    Misc = 1 << 13,
}

use Controller::*;

const ALL: [Controller; 14] = [
    Cpu, Cpuacct, Cpuset, Memory, Io, Pids, Devices, Freezer, Hugetlb, NetCls, NetPrio, PerfEvent, Rdma, Misc,
];

impl Controller {
    /// Returns the name as the kernel writes it in v1 mounts.
    pub fn v1_name(self) -> &'static str {
        match self {
            Io => "blkio",
            other => other.v2_name(),
        }
    }

    /// Returns the name as it stands in `cgroup.controllers`.
    pub fn v2_name(self) -> &'static str {
        match self {
            Cpu => "cpu",
            Cpuacct => "cpuacct",
            Cpuset => "cpuset",
            Memory => "memory",
            Io => "io",
            Pids => "pids",
            Devices => "devices",
            Freezer => "freezer",
            Hugetlb => "hugetlb",
            NetCls => "net_cls",
            NetPrio => "net_prio",
            PerfEvent => "perf_event",
            Rdma => "rdma",
            Misc => "misc",
        }
    }

    /// Tells what would make it available.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Memory => "boot with `cgroup_enable=memory`, or have the memory controller delegated",
            NetCls | NetPrio => "mount the cgroup v1 hierarchy of that controller",
            Devices => "mount the cgroup v1 `devices` hierarchy, or use cgroup v2",
            _ => "mount or delegate the controller, or leave the limit out",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        ALL.into_iter().find(|controller| controller.v1_name() == name || controller.v2_name() == name)
    }
}

/// A set of controllers.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Controllers(u16);

impl Controllers {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// What a v2 group gets from the start: the limits that are usual and the counters that `stats` shows.
    ///
    /// The rest costs memory in every group and is enabled when a limit asks for it.
    pub(crate) const USUAL: Self = Self(Cpu as u16 | Cpuset as u16 | Memory as u16 | Io as u16 | Pids as u16);

    /// Parses names separated by commas or white space; unknown ones are skipped.
    pub fn parse(names: &str) -> Self {
        names.split([',', ' ', '\n']).filter_map(Controller::parse).collect()
    }

    /// Whether the set has the controller.
    pub fn contains(self, controller: Controller) -> bool {
        self.0 & controller as u16 != 0
    }

    /// Whether the set has none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns what is in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns what is in this one and not in the other.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Returns the members.
    pub fn iter(self) -> impl Iterator<Item = Controller> {
        ALL.into_iter().filter(move |controller| self.contains(*controller))
    }
}

impl From<Controller> for Controllers {
    fn from(controller: Controller) -> Self {
        Self(controller as u16)
    }
}

impl FromIterator<Controller> for Controllers {
    fn from_iter<I: IntoIterator<Item = Controller>>(controllers: I) -> Self {
        Self(controllers.into_iter().fold(0, |bits, controller| bits | controller as u16))
    }
}

impl fmt::Debug for Controllers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Controller::v1_name).collect();
        f.write_str(&names.join(","))
    }
}
