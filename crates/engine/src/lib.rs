//! The verbs of the engine: functions over plain requests that the faces (command line, HTTP) call.
//!
//! `container/run.rs` is the place to begin reading: it is the recipe of a start.

pub mod build;
pub mod bundle;
mod confinement;
pub mod container;
mod error;
mod events;
pub mod image;
pub mod network;
mod output;
mod paths;
mod pattern;
mod processes;
pub mod registry;
mod removed;
pub mod request;
pub mod system;
pub mod timing;
pub mod volume;

pub use error::{Error, Result};
pub use events::events;
pub use oci::class::Class;
pub use paths::{Engine, EngineConfig, Firewall};
pub use processes::ProcessRow;
pub use removed::Removed;
pub use supervisor::events::{Event, Kind as EventKind};
