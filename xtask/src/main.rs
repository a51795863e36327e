//! The command line of the project's own glue: `cargo xtask images | tidy | docs | guest | bench`.
#![allow(clippy::print_stdout, reason = "a tool for the terminal")]

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};
use xtask::{bench, docs, guest, images, tidy};

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
    /// Writes docs/commands.md anew from the definitions of the command line.
    Docs,
    /// Runs tests in a virtual machine with another kernel and cgroup v2 alone.
    Guest {
        /// Parts of names of tests; all that are chosen for a guest without them.
        words: Vec<String>,
        /// Choose from nearly all tests, which takes an hour.
        #[arg(long)]
        long: bool,
        /// Run this command of a shell and no tests.
        #[arg(long, conflicts_with_all = ["words", "long"])]
        run: Option<String>,
    },
    /// Measures beside the bare kernel and the peers, and prints tables in Markdown.
    #[command(subcommand)]
    Bench(Bench),
    /// Makes bare containers for the bench, one for each line of input.
    #[command(hide = true)]
    Floor { base: PathBuf },
}

#[derive(Subcommand)]
enum Bench {
    /// What a container costs to start and to keep.
    Start(bench::Options),
    /// What containers cost while they are there: output, lists, ends.
    Life(bench::Options),
    /// What builds take, beside docker's builders and buildah.
    Build(bench::Options),
    /// What networks cost, and what they carry.
    Network(bench::Options),
}

fn main() -> Result<()> {
    match Task::parse() {
        Task::Images { names } => make_images(&names),
        Task::Tidy => check_tidy(),
        Task::Docs => docs::write(),
        Task::Guest { words, long, run } => {
            run_guest(run, &guest::Selection { words, long, watch: |line| println!("{line}") })
        }
        Task::Bench(bench) => {
            print!("{}", measure(&bench)?);
            Ok(())
        }
        Task::Floor { base } => bench::serve_floor(&base),
    }
}

fn measure(bench: &Bench) -> Result<String> {
    match bench {
        Bench::Start(options) => bench::start(options),
        Bench::Life(options) => bench::life(options),
        Bench::Build(options) => bench::build(options),
        Bench::Network(options) => bench::network(options),
    }
}

fn make_images(names: &[String]) -> Result<()> {
    // The guest's, which is large, is made by the first run that needs it.
    let usual = images::RECIPES.iter().map(|recipe| recipe.name).filter(|name| *name != "guest");
    let all: Vec<&str> = usual.collect();
    let names = if names.is_empty() { all } else { names.iter().map(String::as_str).collect() };
    for name in names {
        println!("{}", images::ensure(name)?.display());
    }
    Ok(())
}

fn run_guest(script: Option<String>, selection: &guest::Selection) -> Result<()> {
    let built = || "target/x86_64-unknown-linux-musl/release/coracle".into();
    let engine = std::env::var_os("CORACLE_BIN").map_or_else(built, PathBuf::from);
    let outcome = match script {
        None => guest::test(&engine, selection)?,
        Some(script) => guest::run(&guest::Work {
            script,
            files: vec![(engine, "coracle".to_owned()), (images::ensure("busybox")?, "busybox".to_owned())],
            timeout: Duration::from_mins(10),
            watch: selection.watch,
        })?,
    };
    println!("{} s in the guest", outcome.elapsed.as_secs());
    ensure!(outcome.code == 0, "the guest's script ended with code {}", outcome.code);
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
