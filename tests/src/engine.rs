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

use crate::{Invocation, Leftovers, Namespace, Output, services};

/// An engine below a directory that is removed with it.
#[derive(Debug)]
pub struct Engine {
    /// Short, because socket paths below it hold 108 bytes at most.
    base: TempDir,
    binary: PathBuf,
    /// Where its commands run; without one they run where the test does.
    namespace: Option<Namespace>,
    /// Test images that were loaded, with their references.
    loaded: Mutex<BTreeMap<String, String>>,
}

impl Engine {
    /// Makes an engine that has neither images nor containers.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "makes a directory, which a default does not")]
    pub fn new() -> Self {
        Self::placed(None)
    }

    /// Makes an engine whose commands all run in a namespace, which nobody else makes interfaces in.
    #[track_caller]
    pub fn within(namespace: &Namespace) -> Self {
        Self::placed(Some(namespace.clone()))
    }

    #[track_caller]
    fn placed(namespace: Option<Namespace>) -> Self {
        let base = tempfile::Builder::new().prefix("crc-").tempdir_in("/tmp").unwrap();
        Self { base, binary: binary(), namespace, loaded: Mutex::default() }
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
        let invocation = Invocation::new(program, arguments)
            .env("CORACLE_ROOT", self.root())
            .env("CORACLE_RUN_ROOT", self.run_root());
        match &self.namespace {
            Some(namespace) => invocation.within(namespace),
            None => invocation,
        }
    }

    /// Returns the network namespace of a container that runs.
    #[track_caller]
    pub fn inside(&self, container: &str) -> Namespace {
        let pid = self.inspect(container, "{{.State.Pid}}");
        Namespace::of(pid.parse().unwrap_or_else(|_| panic!("`{container}` has no process: `{pid}`")))
    }

    /// Returns a part of what `inspect` tells, by a template.
    #[track_caller]
    pub fn inspect(&self, object: &str, template: &str) -> String {
        self.run(&["inspect", "--format", template, object]).ok().text().to_owned()
    }

    /// Returns a container's address on a network, of version 4.
    #[track_caller]
    pub fn address(&self, container: &str, network: &str) -> String {
        self.inspect(container, &format!("{{{{(index .NetworkSettings.Networks {network:?}).IPAddress}}}}"))
    }

    /// Returns a container's address on a network, of version 6.
    #[track_caller]
    pub fn address6(&self, container: &str, network: &str) -> String {
        let field = "GlobalIPv6Address";
        self.inspect(container, &format!("{{{{(index .NetworkSettings.Networks {network:?}).{field}}}}}"))
    }

    /// Returns the program under test.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Loads a test image, once, and returns its reference: `busybox`, `debian`, `layers`, `deep`, or one of the services
    /// `nginx`, `postgres` and `redis`.
    #[track_caller]
    pub fn image(&self, name: &str) -> String {
        let mut loaded = self.loaded.lock().unwrap();
        if let Some(reference) = loaded.get(name) {
            return reference.clone();
        }
        let (recipe, file) = match name {
            "deep" => ("layers", "deep"),
            "nginx" | "postgres" | "redis" => ("services", "services"),
            _ => (name, name),
        };
        let dir = xtask::images::ensure(recipe).unwrap_or_else(|error| panic!("{error:#}"));
        let archive = dir.join(format!("{file}.tar"));
        let archive = archive.to_str().unwrap();
        let reference = format!("{name}:latest");
        let import = |changes: &[&str]| {
            let changes: Vec<&str> = changes.iter().flat_map(|change| ["--change", change]).collect();
            self.run(&[&["import"], changes.as_slice(), &[archive, &reference]].concat()).ok()
        };
        match name {
            "busybox" => import(&[r#"CMD ["sh"]"#]),
            "debian" => import(&[r#"CMD ["bash"]"#]),
            "nginx" => import(services::NGINX),
            "postgres" => import(services::POSTGRES),
            "redis" => import(services::REDIS),
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
        let networks = self.used_networks();
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
        if networks {
            attempt(&["network", "prune", "--force"]);
        }
        attempt(&["system", "audit"]);
        // A supervisor tells its clients last and then still has to end, which on a busy machine takes a moment.
        let deadline = Instant::now() + Duration::from_secs(5);
        let find = || self.find_leftovers(&listed, networks);
        let mut left = self.there(find);
        while !left.is_empty() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
            left = self.there(find);
        }
        if !left.is_empty() {
            self.there(|| left.clear());
            wrong.push(format!("left on the machine:\n{left}"));
        }
        (!wrong.is_empty()).then(|| wrong.join("\n"))
    }

    /// Does something where the engine's commands run.
    fn there<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        match &self.namespace {
            Some(namespace) => namespace.enter(act),
            None => act(),
        }
    }

    /// Whether the engine has made networks, or the default one.
    fn used_networks(&self) -> bool {
        self.run_root().join("networks").exists()
    }

    fn find_leftovers(&self, ids: &[String], networks: bool) -> Leftovers {
        let left = Leftovers::find(self.base(), ids);
        if !networks {
            return left;
        }
        // In a namespace of its own there is no other engine; elsewhere only names that bear the mark are known.
        let mark = network_mark(&self.run_root());
        let alone = self.namespace.is_some();
        left.find_networks(|name| {
            let by_us = ["coracle", "crc", "crj"].iter().any(|prefix| name.starts_with(prefix));
            by_us && (alone || name.contains(&mark))
        })
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

/// Returns what the names of an engine's bridges and tables hold: the beginning of a hash (FNV-1a) of its run root.
fn network_mark(run_root: &Path) -> String {
    let bytes = run_root.as_os_str().as_encoded_bytes();
    let hash =
        bytes.iter().fold(0x811c_9dc5u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    format!("{hash:08x}")[..7].to_owned()
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
