//! Networks on the running kernel, as root, in network namespaces that go with the test. Needs `ip` and `nft`, which
//! the product never runs.
#![expect(clippy::unwrap_used, reason = "a test program throughout")]
#![expect(clippy::disallowed_methods, reason = "tests may read files and run programs")]

mod inside;
mod many;
mod mending;
mod paths;
mod spoof;
mod strangers;
mod world;
