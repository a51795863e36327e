//! The container runtime: OCI spec → plan (pure) → builder and init apply its steps; exec; states.
//!
//! The central value is the [`Plan`]: everything that happens between clone and exec, decided
//! beforehand, printable and tested without a kernel. [`create()`] starts the two processes that
//! apply it.

mod affinity;
mod attributes;
mod build;
mod create;
mod error;
mod exec;
mod hooks;
mod ids;
mod init;
mod listener;
mod lists;
mod memory_policy;
mod options;
mod plan;
mod refused;
mod report;
mod rlimit;
mod scheduler;
mod stdio;
pub mod step;
mod sysctl;
mod terminals;
mod time_offsets;

pub use create::{Console, CreateInput, Created, NetworkSetup, Parent, create, start_through};
pub use error::{Error, Failure, FailureKind, Result};
pub use exec::{ExecInput, ExecTarget, Executed, exec};
pub use hooks::{plan_hooks, run_hooks};
pub use init::Gate;
pub use listener::plan_listener;
pub use memory_policy::{FLAGS as MEMORY_POLICY_FLAGS, MODES as MEMORY_POLICY_MODES};
pub use options::mount_options;
pub use plan::{PlanInput, plan};
pub use step::Plan;

/// Makes a user namespace with these maps and no process in it, to id-map mounts by.
pub fn user_namespace(
    uid_map: &[oci::runtime::IdMapping],
    gid_map: &[oci::runtime::IdMapping],
) -> Result<std::os::fd::OwnedFd> {
    build::user_namespace(uid_map, gid_map).map_err(Error::from_failure)
}
