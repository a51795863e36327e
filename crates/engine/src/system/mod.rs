//! The engine and its machine.

mod audit;
mod doctor;
mod info;

pub use audit::audit;
pub use doctor::doctor;
pub(crate) use doctor::explain;
pub(crate) use info::memory_bytes;
pub use info::{info, version};
