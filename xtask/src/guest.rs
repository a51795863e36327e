//! A virtual machine with another kernel and another arrangement of cgroups than this machine: Debian's cloud kernel
//! under emulation, with cgroup v2 alone. It boots from a disk, runs one script and goes; nothing of it stays.
//!
//! ```text
//! vmlinuz + initramfs ──▶ /dev/vda  a small Debian, made once (guest/system.rs)
//!                         /dev/vdb  at /task, made for each run: init, run, and what the run needs
//! console ◀── all output, then `guest-exit: CODE`
//! ```

mod initramfs;
mod machine;
mod system;
mod trials;

use std::process::Command;

use anyhow::{Context, Result, ensure};

pub use machine::{Outcome, Work, run};
pub use trials::{Selection, test};

pub(crate) use system::make as make_system;

/// What the cached system depends on.
pub(crate) const SYSTEM: &str = include_str!("guest/system.rs");
pub(crate) const INITRAMFS: &str = include_str!("guest/initramfs.rs");

/// Runs a program and returns what it wrote.
fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot run `{program}`"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{program}` failed, {}: {}", output.status, said.trim());
    Ok(String::from_utf8(output.stdout)?)
}
