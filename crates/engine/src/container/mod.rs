//! Containers: one verb a file.

mod attach;
mod create;
mod exec;
mod feed;
mod find;
mod follow;
mod id;
mod identity;
mod idrange;
mod inspect;
mod kill;
mod list;
mod logs;
mod placement;
mod port;
mod record;
mod remove;
mod run;
mod spec;
mod start;
mod stop;
mod wait;

pub use attach::{Attached, Outcome, Terminal};
pub use create::{Created, create};
pub use exec::{ExecOutcome, exec};
pub use inspect::inspect;
pub use kill::kill;
pub use list::list;
pub use logs::{LogLine, logs};
pub use port::{explain_ports, ports};
pub use record::ContainerRecord;
pub use remove::remove;
pub use run::{Run, run};
pub use start::start;
pub use stop::stop;
pub use supervisor::Stream;
pub use wait::wait;

pub(crate) use exec::pty_of;
pub(crate) use find::all as all_containers;
pub(crate) use idrange::lease_owner;
pub(crate) use placement::Placed;
pub(crate) use remove::remove_tree;
