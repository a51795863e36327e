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
    /// Whether no other engine runs there.
    alone: bool,
    /// Test images that were loaded, with their references.
    loaded: Mutex<BTreeMap<String, String>>,
}

impl Engine {
    /// Makes an engine that has neither images nor containers.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "makes a directory, which a default does not")]
    pub fn new() -> Self {
        Self::placed(None, false)
    }

    /// Makes an engine whose commands all run in a namespace, which no other engine has.
    #[track_caller]
    pub fn within(namespace: &Namespace) -> Self {
        Self::placed(Some(namespace.clone()), true)
    }

    /// Makes another engine where this one runs.
    #[track_caller]
    pub fn beside(&self) -> Self {
        Self::placed(self.namespace.clone(), false)
    }

    #[track_caller]
    fn placed(namespace: Option<Namespace>, alone: bool) -> Self {
        let base = tempfile::Builder::new().prefix("crc-").tempdir_in("/tmp").unwrap();
        Self { base, binary: binary(), namespace, alone, loaded: Mutex::default() }
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
            .env("CORACLE_RUN_ROOT", self.run_root())
            // No credential of the machine is shown to anybody, and no request leaves it.
            .env("DOCKER_CONFIG", self.base().join("docker"))
            .env("HTTPS_PROXY", "http://127.0.0.1:9")
            .env("HTTP_PROXY", "http://127.0.0.1:9");
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

    /// What a killed process has left is found and mended at once; looked at again all is clean.
    #[track_caller]
    pub fn mend(&self) {
        let repaired = self.run(&["system", "audit", "--repair"]);
        let again = self.run(&["system", "audit"]);
        assert_eq!(again.code, 0, "not mended: {repaired}\n{again}");
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
        // Made with the first container that needs them.
        let networks = self.run_root().join("networks").exists().then(|| {
            let networks = attempt(&["network", "ls", "--quiet", "--no-trunc"]);
            attempt(&["network", "prune", "--force"]);
            network_marks(&self.run_root(), &listed, &networks)
        });
        // Who may not run containers may not look at networks either, and has made nothing.
        if rustix::process::geteuid().is_root() {
            attempt(&["system", "audit"]);
        }
        // A supervisor tells its clients last and then still has to end, which on a busy machine takes a moment.
        let deadline = Instant::now() + Duration::from_secs(5);
        let find = || self.find_leftovers(&listed, networks.as_deref());
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

    /// Where there is no other engine all is ours that is an engine's; elsewhere what bears one of the marks.
    fn find_leftovers(&self, ids: &[String], marks: Option<&[String]>) -> Leftovers {
        let left = Leftovers::find(self.base(), ids);
        let Some(marks) = marks else { return left };
        left.find_networks(|name| {
            let by_an_engine = ["coracle", "crc", "crj"].iter().any(|prefix| name.starts_with(prefix));
            by_an_engine && (self.alone || marks.iter().any(|mark| name.contains(mark)))
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

/// Returns what the names of an engine's tables, bridges and ports of bridges hold: a hash of the run root, the
/// beginning of the network's id, a hash of container and network.
fn network_marks(run_root: &Path, containers: &[String], networks: &str) -> Vec<String> {
    let bytes = run_root.as_os_str().as_encoded_bytes();
    // FNV-1a, of 32 bits and of 64.
    let hash =
        bytes.iter().fold(0x811c_9dc5u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    let mut marks = vec![format!("{hash:08x}")];
    for network in networks.lines() {
        marks.push(network[..7].to_owned());
        for container in containers {
            let hash =
                container.bytes().chain(network.bytes()).fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
                    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
                });
            marks.push(format!("crc{:011x}", hash & 0xfff_ffff_ffff));
        }
    }
    marks
}

/// Finds the program under test: `CORACLE_BIN`, else the newest one that cargo built beside the test.
#[track_caller]
pub fn binary() -> PathBuf {
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

/// Finds the build that can be killed at a step by its number, see `sys::failpoint`.
#[track_caller]
pub fn counting() -> PathBuf {
    let test = env::current_exe().unwrap();
    let built = test.ancestors().nth(3).expect("cargo's directories").join("debug/coracle");
    assert!(built.exists(), "no debug build that counts its steps: run `cargo build -p coracle`");
    built
}
