//! The engine and its machine.

mod audit;
mod boot;
mod df;
mod doctor;
mod info;
mod prune;

pub use audit::audit;
pub use boot::boot;
pub use df::df;
pub use doctor::doctor;
pub(crate) use doctor::explain;
pub(crate) use info::memory_bytes;
pub use info::{info, version};
pub use prune::prune;
