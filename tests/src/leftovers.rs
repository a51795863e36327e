//! What an engine has left on the machine, found by its directory: mounts, processes, cgroups, and of its networks
//! interfaces and firewall tables. Tests run side by side, so counting before and after would blame the neighbour.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Everything found, in words and in a form that can be cleared away.
#[derive(Debug, Default)]
pub struct Leftovers {
    mounts: Vec<PathBuf>,
    processes: Vec<(i32, String)>,
    cgroups: Vec<PathBuf>,
    interfaces: Vec<String>,
    /// Family and name.
    tables: Vec<String>,
}

impl Leftovers {
    /// Looks for what belongs to the engine below `base`, and for cgroups that bear one of the ids.
    pub fn find(base: &Path, ids: &[String]) -> Self {
        let base = base.to_str().expect("a directory of ours");
        // The thread may be in other namespaces than the process.
        let mountinfo = fs::read_to_string("/proc/thread-self/mountinfo").unwrap_or_default();
        let mounts = mountinfo.lines().filter(|line| mentions(line.as_bytes(), base));
        Self {
            mounts: mounts.filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from).collect(),
            processes: processes(base),
            cgroups: cgroups(ids),
            ..Self::default()
        }
    }

    /// Looks also for interfaces and firewall tables of an engine's networks, in the namespace of the thread.
    pub(crate) fn find_networks(self, is_ours: impl Fn(&str) -> bool) -> Self {
        let interfaces = interfaces().into_iter().filter(|name| is_ours(name)).collect();
        let tables = tables().into_iter().filter(|table| table.split(' ').any(&is_ours)).collect();
        Self { interfaces, tables, ..self }
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.mounts.is_empty()
            && self.processes.is_empty()
            && self.cgroups.is_empty()
            && self.interfaces.is_empty()
            && self.tables.is_empty()
    }

    /// Ends the processes and removes the mounts and groups, so that one failed test harms no other.
    pub fn clear(&self) {
        for (pid, _) in &self.processes {
            let pidfd = Pid::from_raw(*pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
            if let Some(pidfd) = pidfd {
                let _ = pidfd_send_signal(pidfd, Signal::KILL);
            }
        }
        // The last one mounted lies on top.
        for mount in self.mounts.iter().rev() {
            let _ = unmount(mount, UnmountFlags::DETACH);
        }
        for group in &self.cgroups {
            let _ = fs::remove_dir(group);
        }
        for interface in &self.interfaces {
            let _ = Command::new("ip").args(["link", "delete", interface]).status();
        }
        for table in &self.tables {
            let _ = Command::new("nft").args(["delete", "table"]).args(table.split(' ')).status();
        }
    }
}

impl std::fmt::Display for Leftovers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.mounts.iter().try_for_each(|path| writeln!(f, "mount {}", path.display()))?;
        self.processes.iter().try_for_each(|(pid, why)| writeln!(f, "process {pid}: {why}"))?;
        self.cgroups.iter().try_for_each(|path| writeln!(f, "cgroup {}", path.display()))?;
        self.interfaces.iter().try_for_each(|name| writeln!(f, "interface {name}"))?;
        self.tables.iter().try_for_each(|name| writeln!(f, "firewall table {name}"))
    }
}

/// Finds other processes that name the base directory, hold a file below it, or see it mounted.
fn processes(base: &str) -> Vec<(i32, String)> {
    let own = std::process::id().cast_signed();
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| *pid != own && *pid != 1).filter_map(|pid| Some((pid, why_ours(pid, base)?))).collect()
}

fn why_ours(pid: i32, base: &str) -> Option<String> {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let read = |file: &str| fs::read(proc.join(file)).unwrap_or_default();
    let stat = String::from_utf8_lossy(&read("stat")).into_owned();
    // A zombie waits for its parent and holds nothing; on some machines pid 1 takes two seconds.
    if stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')) {
        return None;
    }
    let command = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
    if mentions(command.as_bytes(), base) {
        return Some(command);
    }
    if mentions(&read("mountinfo"), base) && !shares_our_mounts(pid) {
        return Some(format!("{command}(sees mounts of the engine)"));
    }
    let links = fs::read_dir(proc.join("fd")).into_iter().flatten().flatten().map(|fd| fd.path());
    for link in links.chain([proc.join("cwd"), proc.join("root"), proc.join("exe")]) {
        if let Ok(target) = fs::read_link(&link)
            && mentions(target.as_os_str().as_encoded_bytes(), base)
        {
            return Some(format!("{command}(holds {})", target.display()));
        }
    }
    None
}

/// A mount left on the host is seen by every process of the host; none of them is to blame. The host's
/// first process may be in another namespace than we are, and gets our mounts by propagation.
fn shares_our_mounts(pid: i32) -> bool {
    let mounts = |who: &str| fs::read_link(format!("/proc/{who}/ns/mnt")).ok();
    let theirs = mounts(&pid.to_string());
    ["thread-self", "1"].into_iter().any(|host| theirs == mounts(host))
}

/// Finds groups named after one of the containers, deepest first.
fn cgroups(ids: &[String]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if !ids.is_empty() {
        collect_groups(Path::new("/sys/fs/cgroup"), ids, 6, &mut found);
    }
    found
}

fn collect_groups(dir: &Path, ids: &[String], depth: usize, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if depth > 0 {
            collect_groups(&entry.path(), ids, depth - 1, found);
        }
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if ids.iter().any(|id| name.contains(id.as_str())) {
            found.push(entry.path());
        }
    }
}

/// Lists the interfaces of the thread's namespace: two lines of head, then `name: numbers` (proc(5)).
pub(crate) fn interfaces() -> Vec<String> {
    let table = fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
    table.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect()
}

/// Lists the firewall tables of the thread's namespace as `family name`.
fn tables() -> Vec<String> {
    let listed = Command::new("nft").args(["list", "tables"]).output().expect("nft is installed");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    listed.lines().filter_map(|line| Some(line.strip_prefix("table ")?.to_owned())).collect()
}

/// Whether the bytes hold the base directory as a whole path component.
fn mentions(bytes: &[u8], base: &str) -> bool {
    let base = base.as_bytes();
    bytes.windows(base.len()).enumerate().any(|(at, window)| {
        window == base && !bytes.get(at + base.len()).is_some_and(u8::is_ascii_alphanumeric)
    })
}
