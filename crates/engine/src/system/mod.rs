//! The engine and its machine.

mod audit;
mod boot;
mod doctor;
mod info;

pub use audit::audit;
pub use boot::boot;
pub use doctor::doctor;
pub(crate) use doctor::explain;
pub(crate) use info::memory_bytes;
pub use info::{info, version};
