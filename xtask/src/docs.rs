//! Pages that are made from the code.

use std::process::Command;

use anyhow::{Result, ensure};

/// Writes `docs/commands.md`: a test of the command line's crate compares it, and writes it where it is told to.
pub fn write() -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["test", "--quiet", "--package", "cli", "--lib", "the_page_of_commands"])
        .env("CORACLE_WRITE_DOCS", "1")
        .status()?;
    ensure!(status.success(), "the page could not be written");
    Ok(())
}
