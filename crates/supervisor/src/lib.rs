//! Guardian and supervisor: the two small processes that accompany one container.
//!
//! ```text
//!   engine ── spawn(own executable, job in a memfd) ──> guardian ── fork ──> supervisor
//!                                                          │ reaps             │ creates the container,
//!                                                          │ holds pipes,      │ logs and relays its output,
//!                                                          │ pty and socket    │ records its end, tears down
//!                                                          └── init (parent: the guardian)
//! ```
//!
//! The guardian is the parent that never acts: it is the container's reaper and keeps every descriptor
//! that must outlive the supervisor, which it starts again when it dies. See `docs/processes.md`.

mod client;
pub mod events;
mod forwarding;
mod guardian;
pub mod health;
mod job;
mod launch;
pub mod log;
mod protocol;
mod relay;
pub mod resolver;
pub mod restart;
pub mod status;
mod supervise;
mod teardown;

pub use client::{Client, Event};
pub use guardian::main as guardian_main;
pub use job::{
    Attachment, Job, KEPT, LIMITS, LogConfig, LogForm, NetworkJob, RENAMED, Removal, STOPPED, Teardown,
};
pub use launch::{GUARDIAN_ARGUMENT, LOCK, LaunchError, launch};
pub use protocol::{FailureReport, Phase, Stream};
pub use relay::{Relay, RelayEnd, relay};
