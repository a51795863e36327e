//! Measurements beside the bare kernel and the peers: `cargo xtask bench start`, `bench network`. Numbers come from here
//! and never from a timed test.

mod contest;
mod floor;
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

    /// How many containers are "many".
    fn many(&self) -> usize {
        if self.quick { 50 } else { 1000 }
    }
}

/// Measures what networks cost and what they carry, and returns tables in Markdown.
pub fn network(options: &Options) -> Result<String> {
    network::run(options)
}

/// Measures what a container costs to start and to keep, and returns tables in Markdown.
pub fn start(options: &Options) -> Result<String> {
    start::run(options)
}
