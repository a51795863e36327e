//! `ps`: the processes of a container as the host sees them.

use super::home::Runtime;
use super::process::user_name;
use crate::error::Result;

/// What the table shows of a process, in the columns of `ps -ef`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessRow {
    pub pid: i32,
    pub user: String,
    pub parent: i32,
    /// Start, in nanoseconds since 1970.
    pub started: i64,
    pub terminal: String,
    /// Processor time so far.
    pub seconds: u64,
    pub command: String,
}

/// Returns the processes of a container, by pid; of a stopped one there are none.
pub fn ps(runtime: &Runtime, id: &str) -> Result<Vec<ProcessRow>> {
    let container = runtime.find(id)?;
    let mut pids = Vec::new();
    match container.record.group() {
        Some(group) => pids.extend(group.processes()?.iter().map(|pid| pid.as_raw_nonzero().get())),
        None if container.record.open_process().is_some() => pids.push(container.record.pid),
        None => {}
    }
    Ok(pids.into_iter().filter_map(row).collect())
}

/// Reads a process (proc_pid_stat(5)); one that has just ended has no row.
fn row(pid: i32) -> Option<ProcessRow> {
    let stat = sys::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, rest) = stat.rsplit_once(") ")?;
    let name = name.split_once('(')?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<i64>().ok());
    // Ticks are a hundredth of a second for user space on every architecture (USER_HZ).
    let started = boot_time()? + number(19)? * 10_000_000;
    let command = sys::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).trim_end_matches('\0').replace('\0', " ");
    let owner = rustix::fs::stat(format!("/proc/{pid}")).ok()?.st_uid;
    Some(ProcessRow {
        pid,
        user: user_name(owner),
        parent: i32::try_from(number(1)?).ok()?,
        started,
        terminal: terminal_name(number(4)?),
        seconds: u64::try_from((number(11)? + number(12)?) / 100).ok()?,
        command: if command.is_empty() { format!("[{name}]") } else { command },
    })
}

/// Returns the time of the boot in nanoseconds since 1970.
fn boot_time() -> Option<i64> {
    let stat = sys::fs::read_to_string("/proc/stat").ok()?;
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    Some(line.trim().parse::<i64>().ok()? * 1_000_000_000)
}

/// Names a terminal by its device number (Documentation/admin-guide/devices.txt).
fn terminal_name(device: i64) -> String {
    let device = u64::try_from(device).unwrap_or(0);
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00));
    match major {
        136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
        4 => format!("tty{minor}"),
        _ => "?".to_owned(),
    }
}
