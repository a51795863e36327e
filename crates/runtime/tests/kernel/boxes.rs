//! A container over a directory with nothing but busybox, and what its program said.

use std::fs;
use std::io::{Read, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use oci::rootfs::Rootfs;
use oci::runtime::{Process, Spec};
use runtime::{
    CreateInput, Created, Error, ExecInput, ExecTarget, Gate, NetworkSetup, Parent, Plan, PlanInput,
};
use serde_json::{Value, json};
use sys::process::{self, ExitStatus, Pid};

/// A directory that holds all of one container.
pub(crate) struct Bundle {
    directory: tempfile::TempDir,
    pub(crate) root: Rootfs,
}

/// What a program came to.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) output: String,
    pub(crate) status: ExitStatus,
    pub(crate) warnings: Vec<String>,
}

impl Bundle {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("staging")).unwrap();
        let root = directory.path().join("root");
        fill(&root);
        Self { directory, root: Rootfs::Directory(root) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Plans the small specification with a patch.
    pub(crate) fn plan(&self, patch: &Value) -> Result<Plan, Error> {
        let spec = spec(patch);
        let gate = false;
        runtime::plan(PlanInput {
            spec: &spec,
            rootfs: self.root.clone(),
            seccomp: None,
            gate,
            create_cwd: false,
        })
    }

    /// Creates a container whose program writes into `output`.
    pub(crate) fn create(&self, plan: &Plan, output: &OwnedFd, gate: &Gate) -> Result<Created, Error> {
        self.create_with(plan, output, gate, None)
    }

    /// Creates a container with something to do to its network.
    pub(crate) fn create_with(
        &self,
        plan: &Plan,
        output: &OwnedFd,
        gate: &Gate,
        network: Option<NetworkSetup<'_>>,
    ) -> Result<Created, Error> {
        let null = fs::File::open("/dev/null").unwrap();
        runtime::create(&CreateInput {
            plan,
            staging: &self.path("staging"),
            stdio: [null.as_fd(), output.as_fd(), output.as_fd()],
            console: None,
            group: None,
            pids_limit: None,
            parent: Parent::Caller,
            gate,
            preserve_fds: 0,
            state: None,
            network,
        })
    }

    /// Runs a program to its end.
    pub(crate) fn run(&self, patch: &Value) -> Result<Ended, Error> {
        let (mut reader, writer) = pipe().unwrap();
        let writer = OwnedFd::from(writer);
        let created = self.create(&self.plan(patch)?, &writer, &Gate::Open)?;
        drop(writer);
        let mut output = String::new();
        reader.read_to_string(&mut output).unwrap();
        Ok(Ended { output, status: process::wait(created.pid).unwrap(), warnings: created.warnings })
    }

    /// Runs a shell script to its end.
    #[track_caller]
    pub(crate) fn script(&self, patch: &Value, script: &str) -> Ended {
        let mut patch = patch.clone();
        merge(&mut patch, &json!({ "process": { "args": ["/bin/busybox", "sh", "-c", script] } }));
        self.run(&patch).unwrap_or_else(|error| panic!("{}", chain(&error)))
    }

    /// Starts a container that stays until it is dropped.
    #[track_caller]
    pub(crate) fn stay(&self, patch: &Value) -> Staying {
        let (mut reader, writer) = pipe().unwrap();
        let writer = OwnedFd::from(writer);
        let mut patch = patch.clone();
        let script = "echo ready; exec /bin/busybox sleep 1000";
        merge(&mut patch, &json!({ "process": { "args": ["/bin/busybox", "sh", "-c", script] } }));
        let plan = self.plan(&patch).unwrap();
        let created = self.create(&plan, &writer, &Gate::Open);
        let created = created.unwrap_or_else(|error| panic!("{}", chain(&error)));
        let mut ready = [0; 6];
        reader.read_exact(&mut ready).unwrap();
        Staying { created }
    }
}

/// A container that runs; its end comes with the value's.
pub(crate) struct Staying {
    pub(crate) created: Created,
}

impl Staying {
    pub(crate) fn pid(&self) -> Pid {
        self.created.pid
    }

    /// Runs another program inside to its end.
    pub(crate) fn exec(
        &self,
        process: &Value,
        seccomp: Option<(Vec<u8>, u32)>,
    ) -> Result<(String, ExitStatus), Error> {
        let process: Process = serde_json::from_value(process.clone()).unwrap();
        let (mut reader, writer) = pipe().unwrap();
        let writer = OwnedFd::from(writer);
        let null = fs::File::open("/dev/null").unwrap();
        let target = ExecTarget { pid: self.created.pid, pidfd: self.created.pidfd.as_fd(), group: None };
        let stdio = [null.as_fd(), writer.as_fd(), writer.as_fd()];
        let input = ExecInput {
            process: &process,
            seccomp,
            listener: None,
            linux: None,
            stdio,
            terminal: None,
            preserve_fds: 0,
        };
        let executed = runtime::exec(&target, &input)?;
        drop(writer);
        let mut output = String::new();
        reader.read_to_string(&mut output).unwrap();
        Ok((output, process::wait(executed.pid).unwrap()))
    }
}

impl Drop for Staying {
    fn drop(&mut self) {
        let _ = process::signal(self.created.pidfd.as_fd(), 9);
        let _ = process::wait(self.created.pid);
    }
}

/// Puts busybox into a directory that becomes a root.
pub(crate) fn fill(root: &Path) {
    fs::create_dir_all(root.join("bin")).unwrap();
    assert!(Path::new("/bin/busybox").exists(), "busybox-static is missing");
    fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
}

/// The small specification with a patch: own namespaces, /proc, /dev and /sys.
fn spec(patch: &Value) -> Spec {
    let mut document = json!({
        "process": {
            "args": ["/bin/busybox", "true"], "env": ["PATH=/bin"], "cwd": "/",
            "capabilities": {
                "bounding": ["CAP_CHOWN", "CAP_SETUID"], "effective": ["CAP_CHOWN"],
                "permitted": ["CAP_CHOWN", "CAP_SETUID"]
            }
        },
        "hostname": "box",
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"] },
            { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"] },
            { "destination": "/dev/pts", "type": "devpts", "source": "devpts" }
        ],
        "linux": {
            "namespaces": [
                { "type": "mount" }, { "type": "network" }, { "type": "uts" }, { "type": "pid" }, { "type": "ipc" }
            ],
            "maskedPaths": ["/proc/version", "/proc/tty", "/proc/not-there"],
            "readonlyPaths": ["/proc/sys"]
        }
    });
    merge(&mut document, patch);
    serde_json::from_value(document).unwrap()
}

/// A patch that gives the container a user namespace of its own at these ids.
pub(crate) fn user_namespace(base: u32) -> Value {
    let map = json!([{ "containerID": 0, "hostID": base, "size": 65536 }]);
    json!({ "linux": {
        "namespaces": [
            { "type": "mount" }, { "type": "network" }, { "type": "uts" }, { "type": "pid" }, { "type": "ipc" },
            { "type": "user" }
        ],
        "uidMappings": map, "gidMappings": map
    } })
}

/// Lays a patch over a document (RFC 7386), but adds to `mounts`.
pub(crate) fn merge(document: &mut Value, patch: &Value) {
    match (document, patch) {
        (Value::Object(document), Value::Object(patch)) => {
            for (key, value) in patch {
                let old = document.entry(key).or_insert(Value::Null);
                match (key.as_str(), old, value) {
                    ("mounts", Value::Array(old), Value::Array(more)) => old.extend(more.iter().cloned()),
                    (_, old, value) => merge(old, value),
                }
            }
        }
        (document, patch) => *document = patch.clone(),
    }
}

/// Returns a patch with another over it.
pub(crate) fn merged(mut patch: Value, more: &Value) -> Value {
    merge(&mut patch, more);
    patch
}

/// Shows an error with its causes.
pub(crate) fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
