//! A throw-away engine with a root of its own, so that tests run side by side. When it goes, its
//! containers go, and the machine must be as it was.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{Invocation, Leftovers, Output};

/// An engine below a directory that is removed with it.
#[derive(Debug)]
pub struct Engine {
    /// Short, because socket paths below it hold 108 bytes at most.
    base: TempDir,
    binary: PathBuf,
    /// Test images that were loaded, with their references.
    loaded: Mutex<BTreeMap<String, String>>,
}

impl Engine {
    /// Makes an engine that has neither images nor containers.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "makes a directory, which a default does not")]
    pub fn new() -> Self {
        let base = tempfile::Builder::new().prefix("crc-").tempdir_in("/tmp").unwrap();
        Self { base, binary: binary(), loaded: Mutex::default() }
    }

    /// Returns the directory that holds the engine; also a place for a test's own files.
    pub fn base(&self) -> &Path {
        self.base.path()
    }

    /// Returns where the engine keeps what lasts.
    pub fn root(&self) -> PathBuf {
        self.base().join("root")
    }

    /// Returns where the engine keeps what dies with the boot.
    pub fn run_root(&self) -> PathBuf {
        self.base().join("run")
    }

    /// Runs a command of the engine.
    #[track_caller]
    #[must_use = "say what it should have answered: `.ok()` or `.fails_with(…)`"]
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).run()
    }

    /// Prepares a command of the engine, to be given input, time or a terminal.
    pub fn command(&self, arguments: &[&str]) -> Invocation {
        self.command_as(&self.binary, arguments)
    }

    /// Prepares a command under another name of the binary, such as a link called `docker`.
    pub fn command_as(&self, program: &Path, arguments: &[&str]) -> Invocation {
        Invocation::new(program, arguments)
            .env("CORACLE_ROOT", self.root())
            .env("CORACLE_RUN_ROOT", self.run_root())
    }

    /// Returns the program under test.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Loads a test image, once, and returns its reference: `busybox`, `debian`, `layers` or `deep`.
    #[track_caller]
    pub fn image(&self, name: &str) -> String {
        let mut loaded = self.loaded.lock().unwrap();
        if let Some(reference) = loaded.get(name) {
            return reference.clone();
        }
        let recipe = if name == "deep" { "layers" } else { name };
        let dir = xtask::images::ensure(recipe).unwrap_or_else(|error| panic!("{error:#}"));
        let archive = dir.join(format!("{name}.tar"));
        let archive = archive.to_str().unwrap();
        let reference = format!("{name}:latest");
        match name {
            "busybox" => self.run(&["import", "--change", r#"CMD ["sh"]"#, archive, &reference]).ok(),
            "debian" => self.run(&["import", "--change", r#"CMD ["bash"]"#, archive, &reference]).ok(),
            _ => self.run(&["load", "--input", archive]).ok(),
        };
        loaded.insert(name.to_owned(), reference.clone());
        reference
    }

    /// Returns the ids of all containers.
    #[track_caller]
    pub fn containers(&self) -> Vec<String> {
        let listed = self.run(&["ps", "--all", "--quiet", "--no-trunc"]).ok();
        listed.stdout.lines().map(str::to_owned).collect()
    }

    /// Asserts that the engine's own audit finds nothing orphaned.
    #[track_caller]
    pub fn audit(&self) {
        self.run(&["system", "audit"]).ok();
    }

    /// Removes every container and returns what then is wrong, if anything.
    fn close(&self) -> Option<String> {
        if !self.root().exists() && !self.run_root().exists() {
            return None;
        }
        let mut wrong = Vec::new();
        let mut listed = Vec::new();
        let mut attempt = |arguments: &[&str]| {
            let output = self.run(arguments);
            if output.code != 0 {
                wrong.push(output.to_string());
            }
            output.stdout
        };
        for id in attempt(&["ps", "--all", "--quiet", "--no-trunc"]).lines() {
            attempt(&["rm", "--force", id]);
            listed.push(id.to_owned());
        }
        attempt(&["system", "audit"]);
        // A supervisor tells its clients last and then still has to end, which on a busy machine takes a moment.
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut left = Leftovers::find(self.base(), &listed);
        while !left.is_empty() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
            left = Leftovers::find(self.base(), &listed);
        }
        if !left.is_empty() {
            left.clear();
            wrong.push(format!("left on the machine:\n{left}"));
        }
        (!wrong.is_empty()).then(|| wrong.join("\n"))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let wrong = self.close();
        if let Some(wrong) = wrong {
            if thread::panicking() {
                eprintln!("after the test, also: {wrong}");
            } else {
                panic!("after the test: {wrong}");
            }
        }
    }
}

/// Finds the program under test: `CORACLE_BIN`, else the newest one that cargo built beside the test.
#[track_caller]
pub(crate) fn binary() -> PathBuf {
    if let Some(binary) = env::var_os("CORACLE_BIN") {
        return binary.into();
    }
    let test = env::current_exe().unwrap();
    // target/TRIPLE/debug/deps/TEST
    let built = test.ancestors().nth(3).expect("cargo's directories");
    let found = ["release", "debug"].map(|profile| built.join(profile).join("coracle"));
    let newest =
        found.iter().filter_map(|path| Some((fs::metadata(path).ok()?.modified().ok()?, path))).max();
    newest.expect("no coracle to test: run `cargo build -p coracle`, or set CORACLE_BIN").1.clone()
}
