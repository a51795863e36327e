//! podman with this runtime in place of its own, through conmon.

use tests::{Bundles, Invocation, Output};

/// podman with directories of its own.
struct Podman<'a> {
    bundles: &'a Bundles,
}

impl Podman<'_> {
    fn command(&self, words: &[&str]) -> Invocation {
        let place = |name: &str| self.bundles.base().join("podman").join(name).to_str().unwrap().to_owned();
        let runtime = self.bundles.base().join("coracle-runtime").to_str().unwrap().to_owned();
        let (root, run, tmp) = (place("root"), place("run"), place("tmp"));
        let global = [
            "--root",
            &root,
            "--runroot",
            &run,
            "--tmpdir",
            &tmp,
            "--storage-driver",
            "vfs",
            "--cgroup-manager",
            "cgroupfs",
            "--events-backend",
            "file",
            "--runtime",
            &runtime,
        ];
        // Its usual locks are one file for the whole machine.
        let conf = self.bundles.base().join("containers.conf");
        std::fs::write(&conf, "[engine]\nlock_type = \"file\"\n").unwrap();
        Invocation::new("podman", &[&global[..], words].concat()).env("CONTAINERS_CONF", conf)
    }

    #[track_caller]
    fn run(&self, words: &[&str]) -> Output {
        self.command(words).run()
    }
}

#[test]
fn podman_runs_execs_pauses_and_stops_containers() {
    let bundles = Bundles::new();
    let link = bundles.base().join("coracle-runtime");
    std::os::unix::fs::symlink(tests::Engine::new().binary(), link).unwrap();
    let podman = Podman { bundles: &bundles };
    let (rootfs, parent) = (bundles.rootfs(), format!("/{}", bundles.id("podman")));
    let rootfs = rootfs.to_str().unwrap();
    let run = ["run", "--network", "none", "--cgroup-parent", &parent, "--rootfs"];
    let with = |flags: &[&str], command: &[&str]| {
        podman.run(&[&run[..1], flags, &run[1..], &[rootfs], command].concat())
    };
    let script = "echo hello; id -u; exit 5";
    with(&["--rm"], &["sh", "-c", script]).fails_with(5).prints("hello\n0");
    with(
        &["--rm", "--memory", "64m", "--pids-limit", "20", "--user", "7", "-e", "X=y"],
        &["sh", "-c", "id -u; echo $X"],
    )
    .ok()
    .prints("7\ny");
    with(&["--rm", "--read-only", "--tmpfs", "/t"], &["sh", "-c", "touch /t/x /tmp/x && ! touch /x"]).ok();
    with(&["--rm", "--uidmap", "0:300000:1000"], &["cat", "/proc/self/uid_map"]).ok().stdout_has("300000");
    with(&["--rm", "-t"], &["tty"]).ok().prints("/dev/pts/0");
    with(&["--rm"], &["nowhere"]).fails_with(127).stderr_has("nowhere");
    with(&["-d", "--name", "box"], &["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done"]).ok();
    podman.run(&["exec", "box", "sh", "-c", "exit 6"]).fails_with(6);
    podman.run(&["exec", "-t", "box", "tty"]).ok().prints("/dev/pts/0");
    podman.run(&["pause", "box"]).ok();
    podman.run(&["unpause", "box"]).ok();
    podman.run(&["stop", "box"]).ok();
    podman
        .run(&["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}} {{.OCIRuntime}}", "box"])
        .ok()
        .stdout_has("exited 0");
    podman.run(&["start", "box"]).ok();
    podman.run(&["kill", "box"]).ok();
    podman.run(&["wait", "box"]).ok();
    podman.run(&["rm", "-f", "box"]).ok();
    podman.run(&["ps", "-aq"]).ok().prints("");
    // podman's groups of the parent are its own; they are empty.
    for hierarchy in std::fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
        let group = hierarchy.path().join(&parent[1..]);
        for name in ["conmon", ""] {
            let _ = std::fs::remove_dir(group.join(name));
        }
    }
}
