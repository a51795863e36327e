//! Measurements beside the bare kernel and the peers: `cargo xtask bench start`, `bench life`, `bench network`, `bench build`.
//! Numbers come from here and never from a timed test.

mod build;
mod contest;
mod floor;
mod life;
mod memory;
mod network;
mod race;
mod report;
mod sample;
mod start;
mod traffic;
mod turns;

use anyhow::Result;

pub use floor::serve as serve_floor;

/// How long and what to measure.
#[derive(clap::Args)]
pub struct Options {
    /// A few rounds, to see that it works.
    #[arg(long)]
    quick: bool,
    /// Rounds of each contest.
    #[arg(long, value_name = "N")]
    iterations: Option<usize>,
    /// One part alone; an unknown name lists them.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Leave out docker, runc and crun.
    #[arg(long)]
    no_peers: bool,
}

impl Options {
    fn iterations(&self) -> usize {
        self.iterations.unwrap_or(if self.quick { 5 } else { 50 }).max(1)
    }

    /// Refuses `--only` with a part that is not among these.
    fn check(&self, parts: &[&str]) -> Result<()> {
        let Some(only) = self.only.as_ref().filter(|only| !parts.contains(&only.as_str())) else {
            return Ok(());
        };
        anyhow::bail!("no part `{only}`; there are: {}", parts.join(", "))
    }

    /// Whether a part is to be measured.
    fn wants(&self, part: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == part)
    }

    /// How many containers are "many".
    fn many(&self) -> usize {
        if self.quick { 50 } else { 1000 }
    }
}

/// Makes a short-lived directory for the engines; short, because paths of sockets below it hold 108 bytes.
fn directory() -> Result<tempfile::TempDir> {
    let base = tempfile::Builder::new().prefix("crb-").tempdir_in("/tmp")?;
    // Containers' users walk through it to their root.
    std::fs::set_permissions(base.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(base)
}

/// Measures what builds take, and returns tables in Markdown.
pub fn build(options: &Options) -> Result<String> {
    build::run(options)
}

/// Measures what containers cost while they are there, and returns tables in Markdown.
pub fn life(options: &Options) -> Result<String> {
    life::run(options)
}

/// Measures what networks cost and what they carry, and returns tables in Markdown.
pub fn network(options: &Options) -> Result<String> {
    network::run(options)
}

/// Measures what a container costs to start and to keep, and returns tables in Markdown.
pub fn start(options: &Options) -> Result<String> {
    start::run(options)
}
