//! Limits, counters and life of one container's cgroup: v1, hybrid and v2.
//!
//! Everything works on directory descriptors and small writes; limits are planned by pure functions.
//!
//! The life of a [`Group`]: [`Hierarchies::detect`] finds what is mounted, [`Group::create`] makes one directory in every
//! writable hierarchy, [`Group::apply`] writes the limits, [`Group::attach`] moves the first process in (or `clone3` does, by
//! [`Group::v2_fd`]), [`Group::kill`] and [`Group::destroy`] end it. Where nothing is writable the group is *unavailable*: it has
//! no directory, each explicitly requested limit becomes a [`Warning`], and the container runs on.

mod attach;
mod controller;
mod device_program;
mod devices;
mod error;
mod file;
mod freeze;
mod group;
mod hierarchies;
mod layout;
mod limits;
mod oom;
mod path;
mod plan;
mod processes;
mod stats;

pub use controller::{Controller, Controllers};
pub use device_program::device_program;
pub use devices::default_devices;
pub use error::{Error, Result, Warning};
pub use freeze::Freezers;
pub use group::Group;
pub use hierarchies::Hierarchies;
pub use layout::{Hierarchy, Kind, Layout, Mode};
pub use limits::{PidsLimit, Replaced};
pub use oom::OomWatch;
pub use path::CgroupPath;
pub use stats::{Cpu, DeviceIo, HugePages, Memory, Pids, Pressure, Stall, Stats};
