//! Daemons of others that run containers through this runtime, below the directory of a test.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;
use tests::{Bundles, Invocation, Output, Running, eventually};

/// Longer than a whole test: the daemon is ended by it.
const LIFE: Duration = Duration::from_secs(170);

/// A daemon, which is ended by its pid when the test is over.
pub(super) struct Daemon {
    running: Option<Running>,
    name: &'static str,
}

impl Daemon {
    pub(super) fn start(name: &'static str, words: &[&str]) -> Self {
        Self { running: Some(Invocation::new(name, words).timeout(LIFE).spawn()), name }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        running.signal(Signal::TERM);
        if !std::thread::panicking() {
            let output = running.wait();
            assert_eq!(output.code, 0, "{}: {output}", self.name);
        }
    }
}

/// containerd with directories, a socket and a name space of its own.
pub(super) struct Containerd<'a> {
    bundles: &'a Bundles,
    /// Runs until this goes.
    _daemon: Daemon,
}

impl<'a> Containerd<'a> {
    pub(super) fn start(bundles: &'a Bundles) -> Self {
        let place = |name: &str| bundles.base().join(name).to_str().unwrap().to_owned();
        let config = place("containerd.toml");
        // The plugins that are left out serve Kubernetes, or look for file systems that are not there.
        let plugins = "[\"io.containerd.grpc.v1.cri\", \"io.containerd.snapshotter.v1.btrfs\", \
                       \"io.containerd.snapshotter.v1.zfs\", \"io.containerd.snapshotter.v1.devmapper\"]";
        let text = format!(
            "version = 2\nroot = \"{}\"\nstate = \"{}\"\ndisabled_plugins = {plugins}\n[grpc]\naddress = \"{}\"\n",
            place("containerd-root"),
            place("containerd-state"),
            place("containerd.sock"),
        );
        fs::write(&config, text).unwrap();
        let daemon = Daemon::start("containerd", &["--config", &config]);
        let containerd = Self { bundles, _daemon: daemon };
        eventually("containerd answers", || containerd.run(&["version"]).code == 0);
        containerd
    }

    pub(super) fn socket(&self) -> String {
        self.bundles.base().join("containerd.sock").to_str().unwrap().to_owned()
    }

    /// The name space, by which its groups are named too.
    pub(super) fn name_space(&self) -> String {
        self.bundles.id("ctr")
    }

    pub(super) fn command(&self, words: &[&str]) -> Invocation {
        let (socket, name_space) = (self.socket(), self.name_space());
        Invocation::new("ctr", &[&["--address", &socket, "--namespace", &name_space], words].concat())
    }

    #[track_caller]
    #[must_use = "say what it should have answered: `.ok()` or `.fails_with(…)`"]
    pub(super) fn run(&self, words: &[&str]) -> Output {
        self.command(words).run()
    }
}

/// Links the binary to the name by which it is the runtime, and returns the link.
pub(super) fn runtime(bundles: &Bundles) -> String {
    let link = bundles.base().join("coracle-runtime");
    std::os::unix::fs::symlink(tests::Engine::new().binary(), &link).unwrap();
    link.to_str().unwrap().to_owned()
}

/// Removes a group that another program has made for its containers, with those below: they are empty.
pub(super) fn remove_group(name: &str) {
    let hierarchies = fs::read_dir("/sys/fs/cgroup").unwrap().flatten().map(|entry| entry.path());
    for group in hierarchies.chain(["/sys/fs/cgroup".into()]).map(|hierarchy| hierarchy.join(name)) {
        let below = fs::read_dir(&group).into_iter().flatten().flatten();
        below.for_each(|child| drop(fs::remove_dir(child.path())));
        let _ = fs::remove_dir(group);
    }
}
