//! Debian's own packages as root file systems: a small distribution, and one with servers in it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Time stamped on everything that is newer, so that two runs on one day agree.
const SOURCE_DATE_EPOCH: &str = "1700000000";

/// What no test reads.
pub(crate) const EXCLUDED: &[&str] = &["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*"];

/// PostgreSQL's just-in-time compiler with the libraries that only it loads: half of all there is. Without it the
/// server interprets, as it says in its documentation (section 32.2).
const COMPILER: &[&str] = &[
    "/usr/lib/*/libLLVM*",
    "/usr/lib/*/libz3.so*",
    "/usr/lib/postgresql/*/lib/llvmjit*",
    "/usr/lib/postgresql/*/lib/bitcode/*",
];

/// No cluster is made while the package is installed, nor started: that is the container's work.
const NO_CLUSTER: &str = r#"mkdir -p "$1/etc/postgresql-common" && echo "create_main_cluster = false" > "$1/etc/postgresql-common/createcluster.conf""#;

/// Writes `debian.tar`, a real distribution with glibc, perl, set-uid programs and setcap: bookworm's essential
/// packages, apt and libcap2-bin; no documentation.
pub(super) fn make(dir: &Path) -> Result<()> {
    bootstrap(&["libcap2-bin"], EXCLUDED, &[], &dir.join("debian.tar"))
}

/// Writes `services.tar`: nginx, PostgreSQL and redis as Debian has them, with curl and iperf3 to talk to.
pub(super) fn make_services(dir: &Path) -> Result<()> {
    let packages = ["nginx-light", "postgresql-15", "redis-server", "curl", "iperf3"];
    let excluded = [EXCLUDED, COMPILER, &["/usr/share/i18n/*"]].concat();
    bootstrap(&packages, &excluded, &[("essential", NO_CLUSTER)], &dir.join("services.tar"))
}

/// Installs bookworm's essential packages, apt and these, without what they recommend, to an archive or a directory.
///
/// A hook is a stage of mmdebstrap's and a script, whose first argument is the root.
pub(crate) fn bootstrap(
    packages: &[&str],
    excluded: &[&str],
    hooks: &[(&str, &str)],
    target: &Path,
) -> Result<()> {
    let mut command = Command::new("mmdebstrap");
    command
        .env("SOURCE_DATE_EPOCH", SOURCE_DATE_EPOCH)
        .args(["--quiet", "--variant=minbase"])
        .arg(format!("--include={}", packages.join(",")))
        .arg("--aptopt=APT::Install-Recommends \"false\"")
        .args(excluded.iter().map(|path| format!("--dpkgopt=path-exclude={path}")))
        .args(hooks.iter().map(|(stage, script)| format!("--{stage}-hook={script}")))
        .arg("bookworm")
        .arg(target);
    let output = command.output().context("cannot run mmdebstrap; as root: apt-get install mmdebstrap")?;
    ensure!(
        output.status.success(),
        "mmdebstrap {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
