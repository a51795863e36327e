//! The floor: what the kernel alone asks for one container. The system calls of a default start, with
//! no engine around them: no image, no record, no log, no process that stays. Everything else is
//! measured against it.
//!
//! A process of its own, small and single-threaded, because clone3 copies the page tables of its
//! caller. It makes one container for each line that it reads and answers with nanoseconds.

use std::fs;
use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, chownat, makedev, mkdirat, mknodat, openat, symlinkat,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use sys::mount::{Attr, Change, Parameter};
use sys::process::{CloneOptions, NEWIPC, NEWNET, NEWNS, NEWPID, NEWUSER, NEWUTS};
use sys::{credentials, loopback, mount, process};

/// First id outside of the range inside, far from those that engines give away.
const FIRST_ID: u32 = 0x7000_0000;
const IDS: u32 = 65_536;

const DEVICES: &[(&str, u32, u32)] =
    &[("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];
const DEVICE_LINKS: &[(&str, &str)] = &[
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("/proc/kcore", "core"),
    ("pts/ptmx", "ptmx"),
];
/// Docker's masked and read-only paths.
const MASKED: &[&str] = &[
    "proc/asound",
    "proc/acpi",
    "proc/interrupts",
    "proc/kcore",
    "proc/keys",
    "proc/latency_stats",
    "proc/timer_list",
    "proc/timer_stats",
    "proc/sched_debug",
    "proc/scsi",
    "sys/firmware",
    "sys/devices/virtual/powercap",
];
const READ_ONLY: &[&str] = &["proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"];

/// What the runs have in common.
struct Floor {
    /// Layer, uppers and works lie below it; id-mapped as one tree.
    store: PathBuf,
    /// Where a root is attached in the container's mount namespace before it becomes the root.
    staging: PathBuf,
    /// Directories of the cgroup hierarchies that containers are put below.
    groups: Vec<PathBuf>,
    own_mounts: OwnedFd,
}

/// Answers each line of standard input with the nanoseconds of one container; `base` holds the
/// extracted layer in `store/layer`.
pub fn serve(base: &Path) -> Result<()> {
    let mut floor = Floor::prepare(base)?;
    for (number, line) in stdin().lock().lines().enumerate() {
        line?;
        let start = Instant::now();
        floor.run(number)?;
        writeln!(stdout(), "{}", start.elapsed().as_nanos())?;
    }
    Ok(())
}

impl Floor {
    fn prepare(base: &Path) -> Result<Self> {
        process::keep_capabilities_across_fsuid()?;
        process::unshare(NEWNS)?;
        mount::set_propagation_recursive(Path::new("/"), mount::PRIVATE)?;
        rustix::process::umask(Mode::empty());
        let staging = base.join("staging");
        fs::create_dir_all(&staging)?;
        let mut groups = Vec::new();
        for line in fs::read_to_string("/proc/self/cgroup")?.lines() {
            let name = line.split(':').nth(1).unwrap_or_default().trim_start_matches("name=");
            let hierarchy = Path::new("/sys/fs/cgroup").join(name);
            if name.is_empty() && !hierarchy.join("cgroup.procs").exists() {
                continue; // the second version beside the first: no controller worth a group
            }
            let parent = hierarchy.join("coracle-floor");
            fs::create_dir_all(&parent)?;
            if name == "cpuset" {
                for file in ["cpuset.cpus", "cpuset.mems"] {
                    fs::write(parent.join(file), fs::read(hierarchy.join(file))?)?;
                }
                fs::write(parent.join("cgroup.clone_children"), "1")?;
            }
            groups.push(parent);
        }
        let own_mounts = fs::File::open("/proc/self/ns/mnt")?.into();
        Ok(Self { store: base.join("store"), staging, groups, own_mounts })
    }

    /// One container from nothing to nothing.
    fn run(&mut self, number: usize) -> Result<()> {
        let own = self.store.join(number.to_string());
        for dir in [&own, &own.join("upper"), &own.join("work")] {
            fs::create_dir(dir)?;
        }
        let groups: Vec<PathBuf> = self.groups.iter().map(|parent| parent.join(number.to_string())).collect();
        for group in &groups {
            fs::create_dir(group)?;
        }
        let (wait_for_go, go) = rustix::pipe::pipe()?;
        let namespaces = NEWUSER | NEWNS | NEWPID | NEWNET | NEWIPC | NEWUTS;
        let child = process::clone(CloneOptions { namespaces, ..CloneOptions::default() }, || {
            let error = become_container(&wait_for_go, &self.staging).err();
            // Standard error alone: standard output carries the answers.
            let _ = writeln!(
                std::io::stderr(),
                "floor: {:#}",
                error.unwrap_or_else(|| anyhow!("exec came back"))
            );
            1
        })?;
        let pid = child.pid;
        fs::write(format!("/proc/{pid}/uid_map"), format!("0 {FIRST_ID} {IDS}"))?;
        fs::write(format!("/proc/{pid}/gid_map"), format!("0 {FIRST_ID} {IDS}"))?;
        for group in &groups {
            enter_group(group, pid)?;
        }
        let root = self.overlay(pid, &own)?;
        let devices = devices()?;
        process::join_namespaces(child.pidfd.as_fd(), NEWNS)?;
        let staging = open_dir(&self.staging)?;
        mount::attach(root.as_fd(), staging.as_fd())?;
        let dev = open_dir(&self.staging.join("dev"))?;
        mount::attach(devices.as_fd(), dev.as_fd())?;
        move_into_link_name_space(self.own_mounts.as_fd(), Some(LinkNameSpaceType::Mount))?;
        drop((staging, dev, root, devices));
        rustix::io::write(&go, b"g")?;
        let status = process::wait(pid)?;
        ensure!(status.code() == 0, "the container ended with {}", status.code());
        for group in &groups {
            fs::remove_dir(group)?;
        }
        Ok(fs::remove_dir_all(own)?)
    }

    /// Mounts the layers with the ids of the container, by one id-mapped tree for all of them.
    fn overlay(&self, pid: i32, own: &Path) -> Result<OwnedFd> {
        let users = fs::File::open(format!("/proc/{pid}/ns/user"))?;
        let tree = mount::clone_host_tree(&self.store, false)?;
        mount::set_attributes(tree.as_fd(), Change { idmap: Some(users.as_fd()), ..Change::default() })?;
        let own = Path::new(own.file_name().context("a numbered directory")?);
        let open = |path: &Path| {
            openat(&tree, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        };
        let (layer, upper, work) =
            (open(Path::new("layer"))?, open(&own.join("upper"))?, open(&own.join("work"))?);
        // As the container's root, or overlay cannot make its index and mounts read-only in silence.
        process::set_fs_ids(FIRST_ID, FIRST_ID)?;
        let options = [
            Parameter::Fd("lowerdir+", layer.as_fd()),
            Parameter::Fd("upperdir", upper.as_fd()),
            Parameter::Fd("workdir", work.as_fd()),
            Parameter::Flag("volatile"),
        ];
        let overlay = mount::create("overlay", &options, Attr::empty());
        process::set_fs_ids(0, 0)?;
        Ok(overlay?)
    }
}

/// Makes `/dev` from outside: inside a user namespace mknod is refused.
fn devices() -> Result<OwnedFd> {
    let options = [Parameter::Text("mode", "755".into()), Parameter::Text("size", "65536k".into())];
    let dev = mount::create("tmpfs", &options, Attr::MOUNT_ATTR_NOSUID)?;
    let (owner, group) = (Uid::from_raw(FIRST_ID), Gid::from_raw(FIRST_ID));
    for &(name, major, minor) in DEVICES {
        mknodat(&dev, name, FileType::CharacterDevice, Mode::from_raw_mode(0o666), makedev(major, minor))?;
        chownat(&dev, name, Some(owner), Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    for &(target, name) in DEVICE_LINKS {
        symlinkat(target, &dev, name)?;
    }
    for name in ["pts", "mqueue", "shm"] {
        mkdirat(&dev, name, Mode::from_raw_mode(0o755))?;
    }
    Ok(dev)
}

/// Limits the group as a default container is limited and puts the process into it.
fn enter_group(group: &Path, pid: i32) -> Result<()> {
    let hierarchy = group.ancestors().nth(2).and_then(Path::file_name);
    match hierarchy.and_then(|name| name.to_str()) {
        Some("pids") => fs::write(group.join("pids.max"), "4096")?,
        Some("devices") => {
            fs::write(group.join("devices.deny"), "a")?;
            let mut allowed =
                vec!["c *:* m".to_owned(), "b *:* m".into(), "c 136:* rwm".into(), "c 5:2 rwm".into()];
            allowed.extend(DEVICES.iter().map(|(_, major, minor)| format!("c {major}:{minor} rwm")));
            for rule in allowed {
                fs::write(group.join("devices.allow"), rule)?;
            }
        }
        _ => {}
    }
    Ok(fs::write(group.join("cgroup.procs"), pid.to_string())?)
}

/// The container's side, from the first instruction to exec.
fn become_container(wait_for_go: &OwnedFd, staging: &Path) -> Result<()> {
    rustix::io::read(wait_for_go, &mut [0u8; 1])?;
    credentials::set_ids(0, 0, &[])?;
    rustix::system::sethostname(b"floor")?;
    loopback::bring_up()?;
    let none = Attr::MOUNT_ATTR_NOSUID | Attr::MOUNT_ATTR_NOEXEC | Attr::MOUNT_ATTR_NODEV;
    let pts = [
        Parameter::Flag("newinstance"),
        Parameter::Text("ptmxmode", "0666".into()),
        Parameter::Text("mode", "0620".into()),
        Parameter::Text("gid", "5".into()),
    ];
    let shm = [Parameter::Text("mode", "1777".into()), Parameter::Text("size", "65536k".into())];
    attach_new(staging, "proc", "proc", &[], none)?;
    attach_new(staging, "sys", "sysfs", &[], none | Attr::MOUNT_ATTR_RDONLY)?;
    attach_new(staging, "dev/pts", "devpts", &pts, Attr::MOUNT_ATTR_NOSUID | Attr::MOUNT_ATTR_NOEXEC)?;
    attach_new(staging, "dev/mqueue", "mqueue", &[], none)?;
    attach_new(staging, "dev/shm", "tmpfs", &shm, none)?;
    for path in READ_ONLY {
        let path = staging.join(path);
        if !path.exists() {
            continue; // not in every kernel
        }
        let copy = mount::clone_host_tree(&path, false)?;
        let set = u64::from(Attr::MOUNT_ATTR_RDONLY.bits());
        mount::set_attributes(copy.as_fd(), Change { set, ..Change::default() })?;
        mount::attach(copy.as_fd(), open_path(&path)?.as_fd())?;
    }
    let null = staging.join("dev/null");
    for path in MASKED {
        let path = staging.join(path);
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        let mask = if metadata.is_dir() {
            mount::create("tmpfs", &[], none | Attr::MOUNT_ATTR_RDONLY)?
        } else {
            mount::clone_host_tree(&null, false)?
        };
        mount::attach(mask.as_fd(), open_path(&path)?.as_fd())?;
    }
    mount::pivot_into(open_dir(staging)?.as_fd())?;
    Err(process::exec(c"/bin/true", &[c"true".into()], &[c"PATH=/bin".into()]).into())
}

fn attach_new(root: &Path, at: &str, kind: &str, options: &[Parameter<'_>], attributes: Attr) -> Result<()> {
    let new = mount::create(kind, options, attributes)?;
    mount::attach(new.as_fd(), open_dir(&root.join(at))?.as_fd())
        .with_context(|| format!("cannot mount {kind}"))
}

fn open_dir(path: &Path) -> Result<OwnedFd> {
    openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .with_context(|| format!("cannot open `{}`", path.display()))
}

fn open_path(path: &Path) -> Result<OwnedFd> {
    openat(CWD, path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
        .with_context(|| format!("cannot open `{}`", path.display()))
}

/// The other end: asks the floor process for containers.
pub(super) struct Client {
    server: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Client {
    /// Starts the floor over the layer in `base/store/layer`.
    pub(super) fn start(base: &Path) -> Result<Self> {
        let mut server = Command::new(std::env::current_exe()?)
            .arg("floor")
            .arg(base)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let answers = BufReader::new(server.stdout.take().context("a piped stream")?);
        Ok(Self { server, answers })
    }

    /// Times one container.
    pub(super) fn once(&mut self) -> Result<Duration> {
        let mut line = String::new();
        self.server.stdin.as_mut().context("a piped stream")?.write_all(b"\n")?;
        self.answers.read_line(&mut line)?;
        let nanoseconds = line.trim().parse().context("the floor has ended; its message stands above")?;
        Ok(Duration::from_nanos(nanoseconds))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // End of input ends the server.
        drop(self.server.stdin.take());
        let _ = self.server.wait();
        for line in fs::read_to_string("/proc/self/cgroup").unwrap_or_default().lines() {
            let name = line.split(':').nth(1).unwrap_or_default().trim_start_matches("name=");
            let parent = Path::new("/sys/fs/cgroup").join(name).join("coracle-floor");
            // Groups of its own are there only if it failed.
            for group in fs::read_dir(&parent).into_iter().flatten().flatten() {
                let _ = fs::remove_dir(group.path());
            }
            let _ = fs::remove_dir(parent);
        }
    }
}
