//! One run of a guest: its disk of work, the emulator, and what the console says.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::system::make_disk;
use crate::images;

/// The line by which a guest says how its script ended.
const MARKER: &str = "guest-exit: ";

/// The guest's first process once it is on its disk.
const INIT: &str = include_str!("init.sh");

/// Room for what a run needs, beside the files themselves.
const WORK_DISK: &str = "1G";

/// What a guest is to do.
pub struct Work {
    /// A script for `sh`; it starts at the root, as root, with everything below `/task`.
    pub script: String,
    /// Files and directories of this machine, and their names below `/task`.
    pub files: Vec<(PathBuf, String)>,
    /// After this time the machine is switched off.
    pub timeout: Duration,
    /// Is told each line of the console as it comes.
    pub watch: fn(&str),
}

/// What came of it.
pub struct Outcome {
    /// The script's exit code.
    pub code: i32,
    /// Every line of the console before the marker.
    pub console: Vec<String>,
    pub elapsed: Duration,
}

/// Boots a guest, runs a script in it and switches it off.
pub fn run(work: &Work) -> Result<Outcome> {
    let system = images::ensure("guest")?;
    let scratch = tempfile::Builder::new().prefix(".guest-").tempdir_in(images::cache_dir())?;
    let disk = scratch.path().join("work.ext4");
    make_work_disk(work, scratch.path(), &disk)?;
    let started = Instant::now();
    let mut machine = Machine::start(&system, &disk, scratch.path())?;
    let (code, console) = machine.listen(started + work.timeout, work.watch);
    let elapsed = started.elapsed();
    match code {
        Some(code) => Ok(Outcome { code, console, elapsed }),
        None => bail!("the guest said nothing of an end within {elapsed:?}:\n{}", console.join("\n")),
    }
}

fn make_work_disk(work: &Work, scratch: &Path, disk: &Path) -> Result<()> {
    let tree = scratch.join("work");
    fs::create_dir(&tree)?;
    fs::write(tree.join("init"), INIT)?;
    fs::set_permissions(tree.join("init"), fs::Permissions::from_mode(0o755))?;
    fs::write(tree.join("run"), &work.script)?;
    for (source, name) in &work.files {
        let target = tree.join(name);
        fs::create_dir_all(target.parent().context("a name below the disk")?)?;
        super::output(Command::new("cp").arg("--recursive").arg(source).arg(&target))?;
    }
    make_disk(&tree, WORK_DISK, disk)
}

/// The emulator; killed when dropped.
struct Machine {
    child: Child,
    lines: Receiver<String>,
}

impl Machine {
    fn start(system: &Path, work: &Path, scratch: &Path) -> Result<Self> {
        // Written to and thrown away: flushes need not reach this machine's disk.
        let drive = |path: &Path| {
            format!("if=virtio,format=raw,snapshot=on,cache=unsafe,file={}", path.to_string_lossy())
        };
        let mut child = Command::new("qemu-system-x86_64")
            .args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1536"])
            .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio"])
            .arg("-kernel")
            .arg(system.join("vmlinuz"))
            .arg("-initrd")
            .arg(system.join("initramfs"))
            .args(["-append", "console=ttyS0 loglevel=1 panic=-1 mitigations=off cgroup_no_v1=all"])
            .args(["-drive", &drive(&system.join("disk.ext4")), "-drive", &drive(work)])
            // Where a snapshot keeps what is written.
            .env("TMPDIR", scratch)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .context("cannot run qemu-system-x86_64; as root: apt-get install qemu-system-x86")?;
        let console = BufReader::new(child.stdout.take().context("no console")?);
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in console.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, lines })
    }

    /// Returns the exit code, if the guest tells it in time, and what it said before.
    fn listen(&mut self, deadline: Instant, watch: fn(&str)) -> (Option<i32>, Vec<String>) {
        let mut console = Vec::new();
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(code) = line.strip_prefix(MARKER) {
                        return (code.trim().parse().ok(), console);
                    }
                    watch(&line);
                    console.push(line);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return (None, console),
            }
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
