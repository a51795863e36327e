//! The harness of the whole-program tests: a throw-away engine, its commands, their output, a
//! terminal, and what must not be left behind. Holds no test itself.
//!
//! ```no_run
//! let engine = tests::Engine::new();
//! let image = engine.image("busybox");
//! engine.run(&["run", "--rm", &image, "sh", "-c", "exit 3"]).fails_with(3);
//! ```
#![allow(clippy::disallowed_methods, reason = "tests may read files and run programs")]
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]
#![allow(clippy::print_stderr, reason = "what a failing test saw goes to its output")]

mod bundle;
mod command;
mod disk;
pub mod dns;
mod echo;
mod engine;
pub mod frame;
pub mod lan;
mod leftovers;
mod namespace;
mod output;
mod registry;
mod relay;
mod rootfs;
mod services;
mod terminal;

pub use bundle::Bundles;
pub use command::{Invocation, Running};
pub use disk::{Cut, Disk};
pub use dns::Upstream;
pub use echo::{Echo, Transport, nobody_answers};
pub use engine::{Engine, binary, counting};
pub use lan::{Lan, at};
pub use leftovers::Leftovers;
pub use namespace::Namespace;
pub use output::Output;
pub use registry::{PASSWORD, Registry, USER};
pub use relay::Relay;
pub use rootfs::{busybox, import, import_sparse, import_with};
pub use terminal::Terminal;

/// Waits until something holds that gives no other sign, and fails when it does not come to be.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "it never came to be: {what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Returns how often a looped test goes round: a few times, or for long in `make soak`.
pub fn rounds(usual: usize, soak: usize) -> usize {
    if std::env::var_os("CORACLE_SOAK").is_some() { soak } else { usual }
}

/// Returns what images call the architecture of this machine.
pub fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}
