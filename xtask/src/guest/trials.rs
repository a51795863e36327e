//! The project's own tests inside a guest: which ones, as whom, and what they said.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Outcome, Work, machine, output};
use crate::images;

/// Runs a plan of tests in the guest.
const SCRIPT: &str = include_str!("trials.sh");

/// Who runs a test in the guest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Root,
    /// Somebody with a subtree of the cgroups and no privilege.
    User,
    /// Root, with nobody beside it: it changes what all have in common.
    Alone,
}

/// Tests of one program.
struct Area {
    package: &'static str,
    target: &'static str,
    who: Who,
    /// Beginnings of names; all that begin so.
    names: &'static [&'static str],
    /// Parts of names of those that do not run.
    but: &'static [&'static str],
}

/// What differs between arrangements of cgroups and between kernels, chosen to take less than five minutes.
const USUAL: &[Area] = &[
    Area { who: Who::Root, ..GROUPS },
    // What is left out makes devices, gives groups away, or is about v1.
    Area { who: Who::User, but: &["as_root", "device", "stands_alone", "thread_puts"], ..GROUPS },
    Area {
        names: &[
            "binds::the_hosts_dev",
            "isolation::every_namespace",
            "isolation::root_inside",
            "life::a_paused",
            "life::limits_are_changed",
            "life::stats",
            "life::the_state",
            "lifecycle::a_container_is_created",
            "lifecycle::stop_and_kill",
            "limits::",
            "network::addresses::a_network_with_ipv6",
            "network::addresses::the_default_bridge",
            "runtime::bundles::limits",
            "runtime::exec::",
            "runtime::life::",
            "runtime::limits::",
            "runtime::rootless::",
        ],
        ..PROGRAMS
    },
    Area { who: Who::User, names: &["system::an_ordinary_user"], ..PROGRAMS },
    Area { who: Who::Alone, names: &["clock::"], ..PROGRAMS },
];

/// Nearly everything, for an hour.
const LONG: &[Area] = &[Area { who: Who::Root, ..GROUPS }, PROGRAMS];

const GROUPS: Area = Area { package: "cgroup", target: "kernel", who: Who::User, names: &[""], but: &[] };

const PROGRAMS: Area = Area {
    package: "tests",
    target: "all",
    who: Who::Root,
    names: &[""],
    // What needs another engine or a whole distribution.
    but: &["podman", "docker", "daemon", "containerd", "programs::", "keep::", "guest::"],
};

/// Which tests run.
pub struct Selection {
    /// Parts of names; only tests that hold one of them, or all.
    pub words: Vec<String>,
    /// Whether nearly all tests are to be chosen from.
    pub long: bool,
    /// Is told each line of the console as it comes.
    pub watch: fn(&str),
}

/// Runs tests in a guest; the outcome's code is not 0 if one has failed.
pub fn test(engine: &Path, selection: &Selection) -> Result<Outcome> {
    let programs = build()?;
    let mut files = vec![(engine.to_owned(), "coracle".to_owned())];
    let mut plan = String::new();
    for area in if selection.long { LONG } else { USUAL } {
        let program = find(&programs, area)?;
        let name = format!("{}-{}", area.package, area.target);
        let who = match area.who {
            Who::Root => "root",
            Who::User => "user",
            Who::Alone => "alone",
        };
        let chosen = list(program)?.into_iter().filter(|test| chosen(area, selection, test));
        chosen.for_each(|test| plan.push_str(&format!("{who} {name} {test}\n")));
        files.push((program.to_owned(), format!("bin/{name}")));
    }
    ensure!(!plan.is_empty(), "no test has such a name");
    for images in ["busybox", "layers"] {
        let dir = images::ensure(images)?;
        let name =
            dir.file_name().context("a directory of images has a name")?.to_string_lossy().into_owned();
        files.push((dir, format!("images/{name}")));
    }
    let scratch = tempfile::tempdir()?;
    let listed = scratch.path().join("plan");
    fs::write(&listed, plan)?;
    files.push((listed, "plan".to_owned()));
    let timeout = Duration::from_mins(if selection.long { 120 } else { 8 });
    machine::run(&Work { script: SCRIPT.to_owned(), files, timeout, watch: selection.watch })
}

fn chosen(area: &Area, selection: &Selection, test: &str) -> bool {
    let words = &selection.words;
    area.names.iter().any(|start| test.starts_with(start))
        && !area.but.iter().any(|part| test.contains(part))
        && (words.is_empty() || words.iter().any(|word| test.contains(word.as_str())))
}

/// A test program that cargo has built.
struct Program {
    package: String,
    target: String,
    path: PathBuf,
}

/// Builds all test programs of the workspace, which within a run of all tests is to ask for their names: with other
/// packages or another profile than that run it would build anew.
fn build() -> Result<Vec<Program>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
    let mut command = Command::new(cargo);
    command.current_dir(root).args(["test", "--workspace", "--no-run", "--quiet", "--message-format=json"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let messages = output(&mut command)?;
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(messages.filter_map(|message| program_of(&message)).collect())
}

/// Returns the program that a message of cargo's tells about, if it is one.
fn program_of(message: &Value) -> Option<Program> {
    let path = message["executable"].as_str()?.into();
    let manifest = Path::new(message["manifest_path"].as_str()?);
    let package = manifest.parent()?.file_name()?.to_str()?.to_owned();
    let is_test = message["target"]["kind"][0] == "test";
    is_test.then_some(Program { package, target: message["target"]["name"].as_str()?.to_owned(), path })
}

fn find<'p>(programs: &'p [Program], area: &Area) -> Result<&'p Path> {
    let found =
        programs.iter().find(|program| program.package == area.package && program.target == area.target);
    let found =
        found.with_context(|| format!("cargo built no tests `{}` of `{}`", area.target, area.package))?;
    Ok(&found.path)
}

/// Returns the names of the tests in a program.
fn list(program: &Path) -> Result<Vec<String>> {
    let listed = output(Command::new(program).args(["--list", "--format", "terse"]))?;
    Ok(listed.lines().filter_map(|line| Some(line.strip_suffix(": test")?.to_owned())).collect())
}
