//! A throw-away OCI runtime with bundles of its own. When it goes, its containers go, and the machine
//! must be as it was.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::engine::binary;
use crate::{Invocation, Leftovers, Output, busybox};

/// The runtime below a directory that is removed with it.
#[derive(Debug)]
pub struct Bundles {
    base: TempDir,
}

impl Bundles {
    /// Makes a runtime without containers, and one root file system for its bundles.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "makes a directory, which a default does not")]
    pub fn new() -> Self {
        let base = tempfile::Builder::new().prefix("crb-").tempdir_in("/tmp").unwrap();
        let bin = base.path().join("rootfs/bin");
        for dir in ["bin", "dev", "etc", "proc", "sys", "tmp"] {
            fs::create_dir_all(base.path().join("rootfs").join(dir)).unwrap();
        }
        fs::copy(busybox(), bin.join("busybox")).unwrap();
        for applet in ["sh", "sleep", "cat", "id", "stty", "tty", "mkdir", "grep", "touch", "true", "mount"] {
            symlink("busybox", bin.join(applet)).unwrap();
        }
        Self { base }
    }

    pub fn base(&self) -> &Path {
        self.base.path()
    }

    /// Returns where the state of containers is kept.
    pub fn root(&self) -> PathBuf {
        self.base().join("state")
    }

    /// Returns the directory that all bundles have as their root file system.
    pub fn rootfs(&self) -> PathBuf {
        self.base().join("rootfs")
    }

    /// Returns an id that no other test has: cgroups are named by it.
    pub fn id(&self, name: &str) -> String {
        format!("{}-{name}", self.base().file_name().unwrap().to_str().unwrap())
    }

    /// Makes a bundle with this command and changes of its specification; returns its directory.
    #[track_caller]
    pub fn bundle(&self, name: &str, command: &[&str], change: impl FnOnce(&mut Value)) -> PathBuf {
        let dir = self.base().join(format!("bundle-{name}"));
        fs::create_dir_all(&dir).unwrap();
        self.run(&["spec", "--bundle", dir.to_str().unwrap()]).ok();
        let config = dir.join("config.json");
        let mut spec: Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
        spec["process"]["terminal"] = json!(false);
        spec["process"]["args"] = json!(command);
        spec["root"] = json!({ "path": "../rootfs", "readonly": false });
        change(&mut spec);
        fs::write(&config, serde_json::to_vec(&spec).unwrap()).unwrap();
        dir
    }

    /// Prepares a command of the runtime.
    pub fn command(&self, arguments: &[&str]) -> Invocation {
        let root = self.root();
        let words = [&["runtime", "--root", root.to_str().unwrap()], arguments].concat();
        Invocation::new(binary(), &words)
    }

    /// Runs a command of the runtime.
    #[track_caller]
    #[must_use = "say what it should have answered: `.ok()` or `.fails_with(…)`"]
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).run()
    }

    /// Runs a command of the runtime, by a caller that lacks a capability, as `sys_admin`.
    #[track_caller]
    #[must_use = "say what it should have answered: `.ok()` or `.fails_with(…)`"]
    pub fn run_without(&self, capability: &str, arguments: &[&str]) -> Output {
        let (root, binary) = (self.root(), binary());
        let bounding = format!("--bounding-set=-{capability}");
        let head = [&*bounding, binary.to_str().unwrap(), "runtime", "--root", root.to_str().unwrap()];
        Invocation::new("setpriv", &[&head[..], arguments].concat()).run()
    }

    /// Runs a command whose container keeps its streams: they are files, which [`Bundles::printed`] reads.
    #[track_caller]
    #[must_use = "say what it should have answered: `.ok()` or `.fails_with(…)`"]
    pub fn leave(&self, name: &str, arguments: &[&str]) -> Output {
        let file = self.base().join(format!("printed-{name}"));
        let (root, binary) = (self.root(), binary());
        let script = r#"file=$1; shift; exec "$@" </dev/null >"$file" 2>&1"#;
        let head =
            ["-c", script, "sh", file.to_str().unwrap(), binary.to_str().unwrap(), "runtime", "--root"];
        let words = [&head[..], &[root.to_str().unwrap()], arguments].concat();
        let mut output = Invocation::new("sh", &words).run();
        output.stderr = self.printed(name);
        output
    }

    /// Creates a container of a bundle.
    #[track_caller]
    pub fn create(&self, name: &str, bundle: &Path) -> String {
        let id = self.id(name);
        self.leave(name, &["create", "--bundle", bundle.to_str().unwrap(), &id]).ok();
        id
    }

    /// Runs a container of a bundle in the background.
    #[track_caller]
    pub fn start(&self, name: &str, bundle: &Path) -> String {
        let id = self.id(name);
        self.leave(name, &["run", "--detach", "--bundle", bundle.to_str().unwrap(), &id]).ok();
        id
    }

    /// Returns what a container has printed that was left running.
    pub fn printed(&self, name: &str) -> String {
        fs::read_to_string(self.base().join(format!("printed-{name}"))).unwrap_or_default()
    }

    /// Returns the state document of a container.
    #[track_caller]
    pub fn state(&self, id: &str) -> Value {
        serde_json::from_str(&self.run(&["state", id]).ok().stdout).unwrap()
    }

    /// Returns the status of a container.
    #[track_caller]
    pub fn status(&self, id: &str) -> String {
        self.state(id)["status"].as_str().unwrap().to_owned()
    }

    /// Returns the ids of all containers.
    #[track_caller]
    pub fn ids(&self) -> Vec<String> {
        self.run(&["list", "--quiet"]).ok().stdout.lines().map(str::to_owned).collect()
    }

    /// Asserts that no failed command has left a container, a directory or a group.
    #[track_caller]
    pub fn assert_empty(&self) {
        assert_eq!(self.ids(), Vec::<String>::new());
        let entries = fs::read_dir(self.root()).into_iter().flatten().flatten();
        let names: Vec<_> =
            entries.map(|entry| entry.file_name()).filter(|name| name != ".seccomp").collect();
        assert!(names.is_empty(), "left in the state directory: {names:?}");
        let left = Leftovers::find(self.base(), &[self.id("")]);
        assert!(left.is_empty(), "left on the machine:\n{left}");
    }

    /// Removes every container and returns what then is wrong, if anything.
    fn close(&self) -> Option<String> {
        let mut wrong = Vec::new();
        let listed = self.run(&["list", "--quiet"]);
        for id in listed.stdout.lines() {
            let deleted = self.run(&["delete", "--force", id]);
            if deleted.code != 0 {
                wrong.push(deleted.to_string());
            }
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        let ids = [self.id("")];
        let mut left = Leftovers::find(self.base(), &ids);
        while !left.is_empty() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
            left = Leftovers::find(self.base(), &ids);
        }
        if !left.is_empty() {
            left.clear();
            wrong.push(format!("left on the machine:\n{left}"));
        }
        (!wrong.is_empty()).then(|| wrong.join("\n"))
    }
}

impl Drop for Bundles {
    fn drop(&mut self) {
        if let Some(wrong) = self.close() {
            if thread::panicking() {
                eprintln!("after the test, also: {wrong}");
            } else {
                panic!("after the test: {wrong}");
            }
        }
    }
}
