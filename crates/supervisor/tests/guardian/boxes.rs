//! A run root with containers in it that have nothing but busybox.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use network::{Endpoint, HeldPort};
use oci::rootfs::Rootfs;
use serde_json::json;
use supervisor::events::EventsJob;
use supervisor::resolver::ResolverConfig;
use supervisor::status::{Status, Summary};
use supervisor::{Attachment, Client, Event, Job, NetworkJob, Teardown};

/// A run root.
pub(crate) struct Root(tempfile::TempDir);

/// What a container is to be.
#[derive(Default)]
pub(crate) struct Wanted {
    pub(crate) script: String,
    pub(crate) ports: Vec<HeldPort>,
    pub(crate) endpoints: Vec<Endpoint>,
}

/// A container that was launched.
pub(crate) struct Running {
    pub(crate) run_dir: PathBuf,
    pub(crate) client: Client,
}

impl Root {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("root/bin")).unwrap();
        assert!(Path::new("/bin/busybox").exists(), "busybox-static is missing");
        fs::copy("/bin/busybox", directory.path().join("root/bin/busybox")).unwrap();
        Self(directory)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn state(&self) -> network::State {
        network::State::new(self.path())
    }

    pub(crate) fn launch(&self, id: &str, wanted: Wanted) -> Running {
        let run_dir = self.path().join("containers").join(id);
        fs::create_dir_all(&run_dir).unwrap();
        let spec = json!({
            "process": { "args": ["/bin/busybox", "sh", "-c", wanted.script], "env": ["PATH=/bin"], "cwd": "/" },
            "mounts": [
                { "destination": "/proc", "type": "proc", "source": "proc" },
                { "destination": "/dev", "type": "tmpfs", "source": "tmpfs" }
            ],
            "linux": { "namespaces": [{ "type": "mount" }, { "type": "network" }, { "type": "pid" }] }
        });
        let plan = runtime::plan(runtime::PlanInput {
            spec: &serde_json::from_value(spec).unwrap(),
            rootfs: Rootfs::Directory(self.path().join("root")),
            seccomp: None,
            gate: false,
            create_cwd: false,
        });
        let (rules, sockets): (Vec<_>, Vec<OwnedFd>) =
            wanted.ports.into_iter().map(|port| (port.rule, port.socket)).unzip();
        let network = NetworkJob {
            run_root: self.path().to_owned(),
            endpoints: wanted.endpoints,
            ports: rules,
            resolver: ResolverConfig::default(),
            names: false,
        };
        let job = Job {
            id: id.to_owned(),
            run_dir: run_dir.clone(),
            summary: Summary::default(),
            plan: plan.unwrap(),
            cgroup: None,
            resources: oci::runtime::Resources::default(),
            pids_limit: None,
            terminal: false,
            terminal_size: None,
            open_stdin: false,
            stdin_once: false,
            attach: Attachment { stdin: false, stdout: true, stderr: true },
            log: None,
            network: Some(network),
            health: None,
            events: EventsJob { run_root: self.path().to_owned(), volumes: Vec::new() },
            teardown: Teardown::default(),
            file_label: None,
            warnings: Vec::new(),
            timing: false,
            again: false,
        };
        let directory = sys::Dir::open(&run_dir).unwrap();
        let lock = store::Lock::try_exclusive(directory, supervisor::LOCK).unwrap().unwrap();
        Running { run_dir, client: supervisor::launch(&job, &lock, sockets).unwrap() }
    }
}

impl Running {
    /// Waits for the start.
    #[track_caller]
    pub(crate) fn started(&mut self) {
        let event = self.client.receive();
        assert!(matches!(event, Event::Started { .. }), "{event:?}");
    }

    pub(crate) fn status(&self) -> Status {
        Status::load(&self.run_dir).unwrap().unwrap()
    }

    /// Kills its program.
    pub(crate) fn kill(&self) {
        let pidfd = self.status().open_process().unwrap();
        sys::process::signal(pidfd.as_fd(), libc::SIGKILL).unwrap();
    }

    /// Waits for the end, and returns what was printed and the exit code.
    #[track_caller]
    pub(crate) fn end(&mut self) -> (String, u8) {
        let mut output = String::new();
        loop {
            match self.client.receive() {
                Event::Output(_, bytes) => output.push_str(std::str::from_utf8(bytes).unwrap()),
                Event::Ended { code } => return (output, code),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Kills a process and nothing else.
pub(crate) fn kill_process(pid: i32) {
    let pidfd = sys::process::open_pidfd(pid).unwrap();
    sys::process::signal(pidfd.as_fd(), libc::SIGKILL).unwrap();
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..500 {
        if is_so() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("in vain: {what}");
}
