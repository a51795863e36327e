//! The status file of a container: small, on tmpfs, all that `ps` reads of a running one.
//!
//! ```text
//!   RUN_ROOT/containers/ID/
//!     status            this file, replaced atomically
//!     sock              the supervisor's socket, while it runs
//!     kept              locked by whoever is about to start it again: its end deletes nothing
//!     stdout stderr     pipes of its output, while it runs without a terminal
//!     limits            those it has got since it was started, if any
//!     renamed           the name it has got since it was started, if it is deleted at its end
//!     supervisor.lock   held by guardian and supervisor for life
//! ```

use std::os::fd::OwnedFd;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sys::Context;

use crate::health::HealthStatus;

/// Version of the file's form.
pub const VERSION: u32 = 1;

/// What is shown of a container without looking elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// As it was called when the run began; the record knows what it is called now.
    pub name: String,
    pub image: String,
    pub image_id: String,
    /// The program with its arguments.
    pub command: Vec<String>,
    /// Nanoseconds since 1970.
    pub created: i64,
    pub labels: std::collections::BTreeMap<String, String>,
}

/// Where a container is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Created,
    Running,
    /// It has ended, and waits to be started again.
    Restarting,
    Exited,
}

/// The content of the status file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub version: u32,
    pub id: String,
    pub summary: Summary,
    pub state: State,
    /// The container's first process, while it runs.
    pub pid: i32,
    /// Field 22 of `/proc/PID/stat`: with the boot id it tells a process from a later one of the
    /// same number.
    pub start_ticks: u64,
    pub boot_id: String,
    pub guardian: i32,
    pub supervisor: i32,
    /// Nanoseconds since 1970; 0 means never.
    pub started: i64,
    pub finished: i64,
    pub exit_code: u8,
    pub oom_killed: bool,
    /// Why it could not be started.
    pub error: Option<String>,
    /// What the user should know about this run.
    #[serde(default)]
    pub warnings: Vec<String>,
    pub cgroup: Option<String>,
    /// Where the supervisor answers for names in the container, if it does.
    #[serde(default)]
    pub resolver_port: Option<u16>,
    #[serde(default)]
    pub dropped: Dropped,
    /// What the checks of its health say, if there are any.
    #[serde(default)]
    pub health: Option<HealthStatus>,
    /// How often it was started again since somebody started it.
    #[serde(default)]
    pub restarts: u32,
    /// The pause before this run, or before the next one while it waits for that.
    #[serde(default)]
    pub pause_millis: u64,
    /// The processes whose namespaces it has joined, each with its start.
    #[serde(default)]
    pub joined: Vec<(i32, u64)>,
    /// When it is started again, by [`monotonic`]; of one boot.
    #[serde(default)]
    pub next_start: i64,
}

/// What was printed and is nowhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Records that could not be written to the log.
    pub log_records: u64,
    /// Bytes that attached clients did not read in time, where they may not hold the container up.
    pub client_bytes: u64,
}

impl Status {
    /// Reads a container's status; `None` when it has none.
    pub fn load(run_dir: &Path) -> sys::Result<Option<Self>> {
        let path = run_dir.join("status");
        let bytes = match sys::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        parse(&bytes)
            .map(Some)
            .map_err(|error| sys::Error::new(format!("cannot understand `{}`", path.display()), error))
    }

    /// Writes the status, replacing the old one atomically; tmpfs needs no sync.
    pub fn save(&self, run_dir: &Path) -> sys::Result<()> {
        let bytes = serde_json::to_vec(self).context(|| "cannot encode the status".into())?;
        replace(run_dir, "status", &bytes)
    }

    /// Whether the first process is alive: same pid, same start time, same boot.
    pub fn is_alive(&self) -> bool {
        self.state == State::Running
            && self.pid > 0
            && self.boot_id == boot_id()
            && process_facts(self.pid)
                .is_some_and(|facts| facts.start_ticks == self.start_ticks && !facts.dead)
    }

    /// Whether the first process is there: alive, or ended and not reaped yet.
    pub fn is_there(&self) -> bool {
        self.state == State::Running
            && self.pid > 0
            && self.boot_id == boot_id()
            && process_facts(self.pid).is_some_and(|facts| facts.start_ticks == self.start_ticks)
    }

    /// Opens the first process if it is the one that this status speaks of.
    pub fn open_process(&self) -> Option<OwnedFd> {
        let pidfd = sys::process::open_pidfd(self.pid).ok()?;
        // Checked after opening: the pidfd can no longer turn into another process.
        self.is_alive().then_some(pidfd)
    }
}

/// Parses a status; fields that are not known are a newer minor matter, a newer version is not.
fn parse(bytes: &[u8]) -> std::io::Result<Status> {
    #[derive(Deserialize)]
    struct Head {
        version: u32,
    }
    let newer = |version| {
        let text = format!("it has version {version}, written by a newer engine; this one knows {VERSION}");
        Err(std::io::Error::new(std::io::ErrorKind::Unsupported, text))
    };
    match serde_json::from_slice::<Status>(bytes) {
        Ok(status) if status.version > VERSION => newer(status.version),
        Ok(status) => Ok(status),
        // A newer one may be made otherwise.
        Err(error) => match serde_json::from_slice(bytes) {
            Ok(Head { version }) if version > VERSION => newer(version),
            _ => Err(error.into()),
        },
    }
}

/// Replaces a file of the run directory.
fn replace(directory: &Path, name: &str, bytes: &[u8]) -> sys::Result<()> {
    use rustix::fs::{CWD, Mode, OFlags, openat, renameat};
    let temporary = directory.join(format!(".{name}.{}", std::process::id()));
    let target = directory.join(name);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    sys::failpoint::step();
    let fd = openat(CWD, &temporary, flags, Mode::from_raw_mode(0o600)).on_path("create", &temporary)?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let count = rustix::io::write(&fd, rest).on_path("write", &temporary)?;
        rest = &rest[count..];
    }
    sys::failpoint::step();
    renameat(CWD, &temporary, CWD, &target).on_path("replace", &target)
}

/// What `/proc/PID/stat` says.
#[derive(Debug, Clone, Copy)]
pub struct ProcessFacts {
    pub start_ticks: u64,
    /// A zombie or dead process.
    pub dead: bool,
    pub exit_status: Option<i32>,
}

/// Reads the facts of a process (proc_pid_stat(5)).
pub fn process_facts(pid: i32) -> Option<ProcessFacts> {
    // It is given as a whole to whoever asks for so much.
    let mut buffer = [0; 1024];
    let bytes = sys::fs::read_start(format!("/proc/{pid}/stat"), &mut buffer).ok()?;
    parse_stat(bytes)
}

/// Parses `/proc/PID/stat`; the command may hold spaces, parentheses, and what is no text.
fn parse_stat(bytes: &[u8]) -> Option<ProcessFacts> {
    let end = bytes.windows(2).rposition(|pair| pair == b") ")?;
    let rest = str::from_utf8(&bytes[end + 2..]).ok()?;
    // Fields 3, 22 and 52, counted from one.
    let mut fields = rest.split_ascii_whitespace();
    let dead = matches!(fields.next()?, "Z" | "X" | "x");
    let start_ticks = fields.nth(18)?.parse().ok()?;
    Some(ProcessFacts { dead, start_ticks, exit_status: fields.nth(29).and_then(|field| field.parse().ok()) })
}

/// Returns the kernel's random id of this boot, read once in a process: it is compared for every container of a list.
pub fn boot_id() -> &'static str {
    static BOOT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    BOOT.get_or_init(|| {
        sys::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim_end().to_owned()
    })
}

/// Returns the clock that never goes back and is the same in all processes, in nanoseconds.
pub fn monotonic() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Ticks a second in what the kernel tells, on every machine that the engine is built for (time(7)).
const USER_HZ: u64 = 100;

/// Returns how long a process has lived that began at these ticks after the boot, by the clock that nobody sets.
pub fn age(start_ticks: u64) -> std::time::Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let now = now.tv_sec * 1_000_000_000 + now.tv_nsec;
    let began = start_ticks * (1_000_000_000 / USER_HZ);
    std::time::Duration::from_nanos(now.cast_unsigned().saturating_sub(began))
}

/// Returns the wall clock in nanoseconds since 1970.
pub fn now() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests may write files")]

    use super::*;

    #[test]
    fn a_command_with_parentheses_does_not_shift_the_fields() {
        let text = b"42 (a) b\xff (c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 1792";
        let facts = parse_stat(text).expect("well-formed");
        assert_eq!((facts.start_ticks, facts.dead, facts.exit_status), (777, false, Some(1792)));
    }

    #[test]
    fn this_process_is_alive() {
        let facts = process_facts(std::process::id() as i32).expect("own stat");
        assert!(!facts.dead && facts.start_ticks > 0);
        assert!(age(facts.start_ticks) < std::time::Duration::from_secs(3_600));
    }

    #[test]
    fn a_status_is_of_one_process_of_one_boot() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Status::load(directory.path()).unwrap(), None);
        let pid = std::process::id() as i32;
        let status = Status {
            version: VERSION,
            id: "ab".into(),
            summary: Summary::default(),
            state: State::Running,
            pid,
            start_ticks: process_facts(pid).unwrap().start_ticks,
            boot_id: boot_id().to_owned(),
            guardian: 1,
            supervisor: 1,
            started: now(),
            finished: 0,
            exit_code: 0,
            oom_killed: false,
            error: None,
            warnings: vec!["careful".into()],
            cgroup: Some("/a".into()),
            resolver_port: Some(40_000),
            dropped: Dropped::default(),
            health: Some(HealthStatus::Healthy),
            restarts: 1,
            pause_millis: 100,
            joined: vec![(1, 2)],
            next_start: 1,
        };
        status.save(directory.path()).unwrap();
        assert_eq!(Status::load(directory.path()).unwrap().as_ref(), Some(&status));
        assert!(status.is_alive() && status.open_process().is_some());
        let others = [
            Status { start_ticks: status.start_ticks + 1, ..status.clone() },
            Status { boot_id: "another".into(), ..status.clone() },
            Status { state: State::Exited, ..status.clone() },
            Status { pid: 0, ..status.clone() },
            Status { pid: -1, ..status.clone() },
        ];
        for other in others {
            assert!(!other.is_alive() && other.open_process().is_none(), "{other:?}");
            // The new one replaces the old, and nothing else is left there.
            other.save(directory.path()).unwrap();
            assert_eq!(Status::load(directory.path()).unwrap(), Some(other));
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        let newer = "{\"version\":2,\"state\":\"dreaming\"}";
        std::fs::write(directory.path().join("status"), newer).unwrap();
        let error = Status::load(directory.path()).unwrap_err();
        assert!(format!("{:?}", std::error::Error::source(&error)).contains("newer engine"), "{error:?}");
        std::fs::write(directory.path().join("status"), "{\"version\":").unwrap();
        let error = Status::load(directory.path()).unwrap_err();
        assert!(error.what().starts_with("cannot understand `"), "{}", error.what());
        for text in ["", "1 (x", "1 (x) ", "1 (x) S 1 2", "1 (x) S a"] {
            assert!(parse_stat(text.as_bytes()).is_none(), "{text}");
        }
    }
}
