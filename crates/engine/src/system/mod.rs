//! The engine and its machine.

mod audit;
mod doctor;
mod info;

pub use audit::audit;
pub use doctor::doctor;
pub(crate) use doctor::explain;
pub use info::{info, version};
