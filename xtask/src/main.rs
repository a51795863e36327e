//! The command line of the project's own glue: `cargo xtask images | tidy`.
#![allow(clippy::print_stdout, reason = "a tool for the terminal")]

use anyhow::{Result, ensure};
use clap::Parser;
use xtask::{images, tidy};

/// Glue of the project: test images, checks, measurements.
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Task {
    /// Makes the test images that are missing and prints where they are.
    Images {
        /// Which ones; all by default.
        names: Vec<String>,
    },
    /// Checks the rules of the house, which the tests check too, and tells what is worth a look.
    Tidy,
}

fn main() -> Result<()> {
    match Task::parse() {
        Task::Images { names } => make_images(&names),
        Task::Tidy => check_tidy(),
    }
}

fn make_images(names: &[String]) -> Result<()> {
    let all: Vec<&str> = images::RECIPES.iter().map(|recipe| recipe.name).collect();
    let names = if names.is_empty() { all } else { names.iter().map(String::as_str).collect() };
    for name in names {
        println!("{}", images::ensure(name)?.display());
    }
    Ok(())
}

fn check_tidy() -> Result<()> {
    let report = tidy::check(&tidy::Workspace::load()?)?;
    for look in &report.looks {
        println!("look: {look}");
    }
    for fault in &report.faults {
        println!("fault: {fault}");
    }
    ensure!(report.faults.is_empty(), "{} faults", report.faults.len());
    Ok(())
}
