//! The contestants, each with everything prepared so that one start is one command.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::images;

/// Time for dockerd to come up or to go.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where docker's containers are grouped, apart from those of a daemon that may be running.
const DOCKER_GROUP: &str = "coracle-bench-docker";

/// Runs a command to its end, which must be a good one, and returns how long that took.
pub(super) fn time(mut command: Command) -> Result<Duration> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let start = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
    let mut errors = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut errors)?;
    }
    let status = child.wait()?;
    let took = start.elapsed();
    ensure!(status.success(), "{command:?} {status}: {}", errors.trim());
    Ok(took)
}

/// Runs a command to its end and returns its standard output.
pub(super) fn answer(mut command: Command) -> Result<String> {
    let Output { status, stdout, stderr } =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?} {status}: {}", String::from_utf8_lossy(&stderr).trim());
    Ok(String::from_utf8(stdout)?.trim().to_owned())
}

/// An engine with Docker's command line.
pub(super) trait Engine: Sync {
    /// Prepares a command with these words.
    fn command(&self, words: &[&str]) -> Command;

    /// Times `run --rm` of `true`.
    fn start(&self) -> Result<Duration> {
        time(self.command(&["run", "--rm", "--network", "none", "busybox", "true"]))
    }

    /// Starts a container that sleeps, and returns its id.
    fn sleeper(&self) -> Result<String> {
        answer(self.command(&["run", "--detach", "--network", "none", "busybox", "sleep", "100000"]))
    }

    /// Removes containers, a hundred at a time.
    fn remove(&self, ids: &[String]) -> Result<()> {
        for some in ids.chunks(100) {
            let mut command = self.command(&["rm", "--force"]);
            command.args(some);
            answer(command)?;
        }
        Ok(())
    }
}

/// The engines of a contest, by name.
pub(super) type Engines<'a> = Vec<(&'static str, &'a dyn Engine)>;

/// The engine under test and, if it is there, its peer.
pub(super) fn engines<'a>(coracle: &'a Coracle, docker: Option<&'a Docker>) -> Engines<'a> {
    let mut engines: Engines<'_> = vec![("coracle", coracle)];
    engines.extend(docker.map(|docker| ("docker", docker as &dyn Engine)));
    engines
}

/// The engine under test, with a root of its own; gone with all its containers when dropped.
pub(super) struct Coracle {
    pub(super) binary: PathBuf,
    base: PathBuf,
}

impl Coracle {
    pub(super) fn prepare(base: &Path) -> Result<Self> {
        let binary = std::env::var_os("CORACLE_BIN")
            .map(PathBuf::from)
            .context("CORACLE_BIN names no program to measure; `make bench` sets it")?;
        let coracle = Self { binary, base: base.to_owned() };
        let image = images::ensure("busybox")?.join("busybox.tar");
        let mut import = coracle.command(&["import"]);
        import.arg(image).arg("busybox:latest");
        answer(import)?;
        Ok(coracle)
    }

    fn remove_all(&self) -> Result<()> {
        let ids = answer(self.command(&["ps", "--all", "--quiet", "--no-trunc"]))?;
        self.remove(&ids.lines().map(str::to_owned).collect::<Vec<_>>())?;
        answer(self.command(&["system", "audit"])).map(drop)
    }
}

impl Engine for Coracle {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--root").arg(self.base.join("root")).arg("--run-root").arg(self.base.join("run"));
        command.args(words);
        command
    }
}

impl Drop for Coracle {
    fn drop(&mut self) {
        if let Err(error) = self.remove_all() {
            complain(&format!("coracle is not clean after the bench: {error:#}"));
        }
    }
}

/// A daemon of our own, beside one that may be running; stopped when dropped.
pub(super) struct Docker {
    daemon: Child,
    socket: String,
    exec_root: PathBuf,
}

impl Docker {
    /// A daemon that makes no network.
    pub(super) fn prepare(base: &Path) -> Result<Self> {
        Self::with(base, &["--bridge=none", "--iptables=false", "--ip6tables=false"])
    }

    /// A daemon as it comes, with a bridge.
    pub(super) fn prepare_networked(base: &Path) -> Result<Self> {
        Self::with(base, &["--bip=10.254.254.1/24"])
    }

    fn with(base: &Path, network: &[&str]) -> Result<Self> {
        let base = base.join("docker");
        let exec_root = base.join("exec");
        fs::create_dir_all(&base)?;
        let socket = format!("unix://{}", base.join("sock").display());
        let log = fs::File::create(base.join("log"))?;
        let daemon = Command::new("dockerd")
            .arg("--data-root")
            .arg(base.join("data"))
            .arg("--exec-root")
            .arg(&exec_root)
            .arg("--pidfile")
            .arg(base.join("pid"))
            .args(["--cgroup-parent", DOCKER_GROUP])
            .args(["--host", &socket])
            .args(network)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot run dockerd")?;
        let docker = Self { daemon, socket, exec_root };
        let started = Instant::now();
        while answer(docker.command(&["version"])).is_err() {
            ensure!(
                started.elapsed() < PATIENCE,
                "dockerd does not answer; see {}",
                base.join("log").display()
            );
            thread::sleep(Duration::from_millis(200));
        }
        let mut import = docker.command(&["import"]);
        import.arg(images::ensure("busybox")?.join("busybox.tar")).arg("busybox:latest");
        answer(import)?;
        Ok(docker)
    }

    /// Prepares a command of a certain client.
    pub(super) fn command_of(&self, client: &str, words: &[&str]) -> Command {
        let mut command = Command::new(client);
        command.args(["--host", &self.socket]).args(words);
        command
    }

    /// Returns the runtime configuration that docker makes for a default container.
    fn runtime_config(&self) -> Result<Value> {
        let id = self.sleeper()?;
        let bundles = self.exec_root.join("containerd/daemon/io.containerd.runtime.v2.task/moby");
        let config = fs::read(bundles.join(&id).join("config.json"));
        self.remove(&[id])?;
        let config = config.with_context(|| format!("no bundle below `{}`", bundles.display()))?;
        Ok(serde_json::from_slice(&config)?)
    }
}

impl Engine for Docker {
    fn command(&self, words: &[&str]) -> Command {
        self.command_of("docker", words)
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.daemon);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let stopped = Instant::now();
        while matches!(self.daemon.try_wait(), Ok(None)) {
            if stopped.elapsed() > PATIENCE {
                complain("dockerd does not stop: killing it");
                let _ = self.daemon.kill();
            }
            thread::sleep(Duration::from_millis(100));
        }
        for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            let _ = fs::remove_dir(hierarchy.path().join(DOCKER_GROUP));
        }
        let _ = fs::remove_dir(Path::new("/sys/fs/cgroup").join(DOCKER_GROUP));
    }
}

/// A bare runtime with a bundle made ready: docker's own configuration for the same command, the
/// root file system as a plain directory, nothing to pull, to mount or to log.
pub(super) struct Runtime {
    name: &'static str,
    program: PathBuf,
    bundle: PathBuf,
    state: PathBuf,
    started: usize,
}

impl Runtime {
    pub(super) fn prepare(name: &'static str, base: &Path, docker: &Docker) -> Result<Self> {
        let bundle = base.join(name);
        let state = bundle.join("state");
        fs::create_dir_all(bundle.join("rootfs"))?;
        extract_busybox(&bundle.join("rootfs"))?;
        let mut config = docker.runtime_config()?;
        config["process"]["args"] = json!(["true"]);
        config["process"]["terminal"] = json!(false);
        config["root"] = json!({"path": "rootfs", "readonly": false});
        config["linux"]["cgroupsPath"] = json!(format!("/coracle-bench-{name}"));
        if let Some(config) = config.as_object_mut() {
            config.remove("hooks");
        }
        if let Some(mounts) = config["mounts"].as_array_mut() {
            // Files that docker made for its own container.
            mounts.retain(|mount| mount["type"] != "bind");
        }
        fs::write(bundle.join("config.json"), serde_json::to_vec(&config)?)?;
        Ok(Self { name, program: name.into(), bundle, state, started: 0 })
    }

    /// The engine's own runtime on the same bundle, by the name that makes it one.
    pub(super) fn prepare_own(coracle: &Coracle, base: &Path, docker: &Docker) -> Result<Self> {
        let name = "coracle-runtime";
        let program = base.join("bin").join(name);
        fs::create_dir_all(base.join("bin"))?;
        std::os::unix::fs::symlink(&coracle.binary, &program)?;
        Ok(Self { program, ..Self::prepare(name, base, docker)? })
    }

    /// Times `run` of the bundle.
    pub(super) fn start(&mut self) -> Result<Duration> {
        self.started += 1;
        let id = format!("bench-{}", self.started);
        let mut command = Command::new(&self.program);
        if self.name == "crun" && Path::new("/sys/fs/cgroup/unified").exists() {
            // crun refuses both versions of cgroups at once; it is shown the first alone.
            command = Command::new("unshare");
            let script = "umount /sys/fs/cgroup/unified; exec crun \"$@\"";
            command.args(["-m", "--propagation", "private", "sh", "-c", script, "crun"]);
        }
        command.arg("--root").arg(&self.state).args(["run", "--bundle"]).arg(&self.bundle).arg(id);
        time(command)
    }
}

/// Extracts the test image as a plain directory.
pub(super) fn extract_busybox(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir)?;
    let mut tar = Command::new("tar");
    tar.arg("--numeric-owner")
        .arg("-xpf")
        .arg(images::ensure("busybox")?.join("busybox.tar"))
        .arg("-C")
        .arg(dir);
    answer(tar).map(drop)
}

/// Makes the engine ready, and docker too unless it is left out, each with directories of its own below `base`.
pub(super) fn contestants(options: &super::Options, base: &Path) -> Result<(Coracle, Option<Docker>)> {
    let coracle = Coracle::prepare(base)?;
    if options.no_peers {
        return Ok((coracle, None));
    }
    install_peers()?;
    Ok((coracle, Some(Docker::prepare(base)?)))
}

/// Installs the peers from Debian if one of them is not there.
pub(super) fn install_peers() -> Result<()> {
    install(&[("docker", "docker.io"), ("dockerd", "docker.io"), ("runc", "runc"), ("crun", "crun")])
}

/// Installs from Debian what is not there, as (program, package).
pub(super) fn install(peers: &[(&str, &str)]) -> Result<()> {
    let found = |program: &str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        // An absolute name is found in the first of them.
        std::env::split_paths(&path).any(|dir| dir.join(program).exists())
    };
    let missing: Vec<_> =
        peers.iter().filter(|(program, _)| !found(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    complain(&format!("installing {} from Debian", missing.join(", ")));
    let mut update = Command::new("apt-get");
    update.args(["update", "-qq"]);
    answer(update)?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive");
    install.args(["install", "-y", "-qq", "--no-install-recommends"]).args(&missing);
    if let Err(error) = answer(install) {
        bail!("cannot install {}: {error:#}", missing.join(", "));
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "standard output is the table")]
pub(super) fn complain(text: &str) {
    eprintln!("bench: {text}");
}
