//! Plain types of the OCI specifications and of Docker's image archives; no IO.
//!
//! What two rooms of the house must share is a value in here.

pub mod class;
pub mod digest;
pub mod image;
pub mod reference;
pub mod rootfs;
pub mod runtime;
