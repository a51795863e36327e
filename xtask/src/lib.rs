//! Glue of the project in Rust: test images, the rules of the house as checks, measurements.
//! Used by `cargo xtask`, by the tidy test and by the whole-program tests.
#![allow(clippy::disallowed_methods, reason = "a tool of the project may read files and run programs")]
#![allow(missing_debug_implementations, reason = "nothing here is printed")]

pub mod bench;
pub mod docs;
pub mod guest;
pub mod images;
pub mod tidy;
