//! Glue in Rust.
fn main() {}
