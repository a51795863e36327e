//! A small Debian: a real distribution with glibc, perl, set-uid programs and setcap.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Time stamped on everything that is newer, so that two runs on one day agree.
const SOURCE_DATE_EPOCH: &str = "1700000000";

/// Writes `debian.tar`: bookworm's essential packages, apt and libcap2-bin; no documentation.
pub(super) fn make(dir: &Path) -> Result<()> {
    let mut command = Command::new("mmdebstrap");
    command
        .env("SOURCE_DATE_EPOCH", SOURCE_DATE_EPOCH)
        .args(["--quiet", "--variant=minbase", "--include=libcap2-bin", "--format=tar"])
        .arg("--aptopt=APT::Install-Recommends \"false\"")
        .arg("--dpkgopt=path-exclude=/usr/share/doc/*")
        .arg("--dpkgopt=path-exclude=/usr/share/man/*")
        .arg("--dpkgopt=path-exclude=/usr/share/locale/*")
        .arg("bookworm")
        .arg(dir.join("debian.tar"));
    let output = command.output().context("cannot run mmdebstrap; as root: apt-get install mmdebstrap")?;
    ensure!(
        output.status.success(),
        "mmdebstrap {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
