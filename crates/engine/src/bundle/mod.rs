//! The verbs of an OCI runtime over bundles: no images, no supervisor, no record beyond the state directory.
//!
//! `make.rs` is the place to begin reading: it is the recipe that `create` and `run` share.
//!
//! ```text
//!   ROOT  /run/coracle/runtime                  tmpfs, dies with the boot
//!     .seccomp/                                 compiled filters
//!     ID/                                       one directory a container, mode 0700
//!       lock                                    held while it is created, started or deleted
//!       limits.lock                             held while its limits are changed
//!       config.json                             the specification as it was at its creation, with the limits of now
//!       start                                   socket at which a created container waits to be started
//!       state.json                              written last; without it there is no container
//! ```

mod config;
mod console;
mod create;
mod delete;
mod events;
mod exec;
mod features;
mod foreground;
mod group;
mod home;
mod kill;
mod list;
mod make;
mod pause;
mod process;
mod ps;
mod record;
mod run;
mod spec;
mod start;
mod update;
mod valid;

pub use crate::processes::ProcessRow;
pub use create::create;
pub use delete::delete;
pub use events::{Event, events};
pub use exec::exec;
pub use features::features;
pub use home::Runtime;
pub use kill::kill;
pub use list::{list, state};
pub use pause::{pause, resume};
pub use ps::ps;
pub use record::StateView;
pub use run::run;
pub use spec::write_spec;
pub use start::start;
pub use update::update;

pub use oci::runtime::SPEC_VERSION;

pub mod request;
