//! Debian's dockerd with this runtime in place of its own, over a containerd of the test's.

use serde_json::Value;
use tests::{Bundles, Engine, Invocation, Output, Registry, eventually};

use super::daemon::{Containerd, Daemon, remove_group, runtime};

/// dockerd with directories and a socket of its own, and no network.
struct Docker<'a> {
    bundles: &'a Bundles,
    _daemon: Daemon,
    _containerd: Containerd<'a>,
}

impl<'a> Docker<'a> {
    fn start(bundles: &'a Bundles) -> Self {
        let place = |name: &str| bundles.base().join(name).to_str().unwrap().to_owned();
        let containerd = Containerd::start(bundles);
        let config = place("daemon.json");
        std::fs::write(&config, "{}").unwrap();
        let words = [
            format!("--config-file={config}"),
            format!("--data-root={}", place("docker")),
            format!("--exec-root={}", place("docker-exec")),
            format!("--pidfile={}", place("docker.pid")),
            format!("--host=unix://{}", place("docker.sock")),
            format!("--containerd={}", containerd.socket()),
            format!("--containerd-namespace={}", bundles.id("docker")),
            format!("--containerd-plugins-namespace={}", bundles.id("plugins")),
            format!("--cgroup-parent=/{}", bundles.id("docker")),
            format!("--add-runtime=coracle={}", runtime(bundles)),
            "--exec-opt=native.cgroupdriver=cgroupfs".to_owned(),
            "--storage-driver=vfs".to_owned(),
            "--bridge=none".to_owned(),
            "--iptables=false".to_owned(),
            "--ip6tables=false".to_owned(),
            "--ip-forward=false".to_owned(),
        ];
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let daemon = Daemon::start("dockerd", &words);
        let docker = Self { bundles, _daemon: daemon, _containerd: containerd };
        eventually("dockerd answers", || docker.command(&["version"]).run().code == 0);
        docker
    }

    fn command(&self, words: &[&str]) -> Invocation {
        let host = format!("unix://{}", self.bundles.base().join("docker.sock").display());
        // The user's own settings may name another daemon.
        let config = self.bundles.base().join("docker-config");
        Invocation::new("docker", &[&["--host", &host], words].concat()).env("DOCKER_CONFIG", config)
    }

    #[track_caller]
    #[must_use = "say what it should have answered: `.ok()` or `.fails_with(…)`"]
    fn run(&self, words: &[&str]) -> Output {
        self.command(words).run()
    }

    /// The words that run a container of the image with these flags.
    fn container<'w>(&self, flags: &[&'w str], command: &[&'w str]) -> Vec<&'w str> {
        [&["run", "--runtime", "coracle", "--network", "none"], flags, &["busybox"], command].concat()
    }

    #[track_caller]
    fn inspect(&self, name: &str) -> Value {
        self.run(&["inspect", name]).ok().json()[0].clone()
    }
}

#[test]
fn docker_runs_execs_attaches_limits_pauses_kills_and_removes_containers() {
    let bundles = Bundles::new();
    let docker = Docker::start(&bundles);
    let archive = xtask::images::ensure("busybox").unwrap().join("busybox-docker.tar");
    docker.run(&["load", "--input", archive.to_str().unwrap()]).ok();
    let once = |flags: &[&str], command: &[&str]| {
        docker.run(&docker.container(&[&["--rm"], flags].concat(), command))
    };
    once(&[], &["sh", "-c", "echo hello; id -u; exit 5"]).fails_with(5).prints("hello\n0");
    let limited = ["--user", "7:8", "-e", "X=y", "--memory", "64m", "--pids-limit", "20", "--cpus", "0.5"];
    once(&limited, &["sh", "-c", "id -u; id -g; echo $X"]).ok().prints("7\n8\ny");
    once(&["--read-only", "--tmpfs", "/t"], &["sh", "-c", "touch /t/x && ! touch /x"]).ok();
    once(
        &["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--ulimit", "nofile=99"],
        &["sh", "-c", "ulimit -n; grep -E 'CapEff|NoNewPrivs' /proc/self/status"],
    )
    .ok()
    .prints("99\nCapEff:\t0000000000000000\nNoNewPrivs:\t1");
    once(&["--privileged"], &["sh", "-c", "mount -t tmpfs t /tmp && grep CapEff /proc/self/status"]).ok();
    once(&[], &["nowhere"]).fails_with(127).stderr_has("executable file not found");
    once(&[], &["/etc"]).fails_with(126);
    let terminal = docker
        .command(&docker.container(&["--rm", "-it"], &["sh", "-c", "tty; read x; echo =$x="]))
        .terminal(24, 80);
    terminal.expect("/dev/pts/0");
    let mut terminal = terminal;
    terminal.type_text("word\r");
    terminal.expect("=word=");
    terminal.wait().ok();
    let memory = "x=a; while :; do x=$x$x; done";
    let oom = docker
        .container(&["--name", "oom", "--memory", "16m", "--memory-swap", "16m"], &["sh", "-c", memory]);
    docker.run(&oom).fails_with(137);
    assert_eq!(docker.inspect("oom")["State"]["OOMKilled"], true);
    docker.run(&["rm", "oom"]).ok();

    let trap = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    docker.run(&docker.container(&["--detach", "--name", "box"], &["sh", "-c", trap])).ok();
    assert_eq!(docker.inspect("box")["HostConfig"]["Runtime"], "coracle");
    docker.run(&["exec", "box", "sh", "-c", "echo in; exit 6"]).fails_with(6).prints("in");
    docker
        .run(&[
            "exec",
            "--user",
            "5",
            "--workdir",
            "/tmp",
            "-e",
            "A=b",
            "box",
            "sh",
            "-c",
            "id -u; pwd; echo $A",
        ])
        .ok()
        .prints("5\n/tmp\nb");
    docker.command(&["exec", "-it", "box", "tty"]).terminal(24, 80).wait().ok().stdout_has("/dev/pts/");
    docker.run(&["top", "box"]).ok().stdout_has("sleep 0.05");
    docker.run(&["stats", "--no-stream", "box"]).ok().stdout_has("box");
    docker.run(&["update", "--memory", "50m", "--memory-swap", "60m", "--pids-limit", "33", "box"]).ok();
    assert_eq!(docker.inspect("box")["HostConfig"]["Memory"], 50 << 20);
    let stats = docker.run(&["stats", "--no-stream", "--format", "{{.MemUsage}}", "box"]).ok();
    assert!(stats.stdout.contains("/ 50MiB"), "{stats}");
    docker.run(&["pause", "box"]).ok();
    assert_eq!(docker.inspect("box")["State"]["Status"], "paused");
    docker.run(&["unpause", "box"]).ok();
    docker.run(&["stop", "box"]).ok();
    assert_eq!(docker.inspect("box")["State"]["ExitCode"], 9);
    docker.run(&["logs", "box"]).ok().prints("ready");
    docker.run(&["start", "box"]).ok();
    docker.run(&["kill", "box"]).ok();
    docker.run(&["wait", "box"]).ok().prints("137");
    docker.run(&["rm", "box"]).ok();

    docker.run(&docker.container(&["--detach", "-it", "--name", "shell"], &["sh"])).ok();
    let mut terminal = docker.command(&["attach", "shell"]).terminal(30, 90);
    terminal.type_text("stty size; echo a''ttached\r");
    terminal.expect("30 90");
    terminal.expect("attached");
    terminal.type_text("exit 4\r");
    terminal.wait().fails_with(4);
    docker.run(&["rm", "--force", "shell"]).ok();
    docker.run(&["ps", "--all", "--quiet"]).ok().prints("");
    drop(docker);
    for name in ["docker", "plugins"] {
        remove_group(&bundles.id(name));
    }
}

#[test]
fn docker_pulls_what_we_push_and_we_pull_what_docker_pushes() {
    let bundles = Bundles::new();
    let docker = Docker::start(&bundles);
    let (engine, registry) = (Engine::new(), Registry::plain());
    let image = engine.image("busybox");
    let ours = registry.name("ours:1");
    engine.run(&["run", "--name", "box", &image, "sh", "-c", "rm /etc/group; echo made > /made"]).ok();
    engine.run(&["commit", "--change", "ENV A=b", "box", &ours]).ok();
    let pushed = engine.run(&["push", &ours]).ok();
    let pulled = docker.run(&["pull", &ours]).ok();
    let digest = pushed.stdout.split_whitespace().find(|word| word.starts_with("sha256:")).unwrap();
    pulled.stdout_has(&format!("Digest: {digest}\n"));
    let script = "cat /made; echo $A; ls /etc/group";
    let run = ["run", "--rm", "--runtime", "coracle", "--network", "none", &ours, "sh", "-c", script];
    docker.run(&run).fails_with(1).prints("made\nb");

    let theirs = registry.name("theirs:1");
    let make = ["run", "--runtime", "coracle", "--network", "none", "--name", "box", &ours, "sh", "-c"];
    docker.run(&[&make[..], &["echo theirs > /made"]].concat()).ok();
    docker.run(&["commit", "box", &theirs]).ok();
    docker.run(&["push", &theirs]).ok();
    docker.run(&["rm", "box"]).ok();
    engine.run(&["run", "--rm", "--quiet", &theirs, "sh", "-c", script]).fails_with(1).prints("theirs\nb");
    drop(docker);
    for name in ["docker", "plugins"] {
        remove_group(&bundles.id(name));
    }
}
