//! The engine and its machine.

mod audit;
mod boot;
mod check;
mod df;
mod doctor;
mod info;
mod prune;

pub use audit::audit;
pub use boot::boot;
pub use check::check;
pub use df::df;
pub(crate) use doctor::{NEEDS_ROOT, explain, explain_denied, has_admin};
pub use doctor::{doctor, is_initial_user_namespace};
pub use image::{Check, Damage, DamageState};
pub(crate) use info::memory_bytes;
pub use info::{info, version};
pub use prune::prune;
