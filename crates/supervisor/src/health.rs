//! Health: what checks of a container have said, and when the next one is due. Pure but for the file.
//!
//! ```text
//!   RUN_ROOT/containers/ID/health    the last five checks with what they printed; replaced atomically
//! ```
//! The one word of it is in the status file too, for `ps`.

use std::path::Path;
use std::time::Duration;

use oci::runtime::Process;
use serde::{Deserialize, Serialize};
use sys::Dir;

const FILE: &str = "health";
/// Checks that are kept.
const CHECKS_MAX: usize = 5;
/// Output that is kept of each.
pub(crate) const OUTPUT_MAX: usize = 4096;

/// How a container is checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HealthJob {
    pub schedule: Schedule,
    #[serde(with = "crate::job::as_json")]
    pub process: Process,
    /// The compiled filter, with its load flags.
    pub seccomp: Option<(Vec<u8>, u32)>,
}

/// When a container is checked, and what counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// From the end of one check to the next.
    pub interval: Duration,
    pub timeout: Duration,
    /// A failure within this time of the start does not count, until a check has succeeded.
    pub start_period: Duration,
    /// The interval within the start period, until a check has succeeded.
    pub start_interval: Duration,
    /// Failures in a row that make it unhealthy.
    pub retries: u32,
}

/// The one word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    #[default]
    Starting,
    Healthy,
    Unhealthy,
}

impl HealthStatus {
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// One check; times in nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub start: i64,
    pub end: i64,
    /// -1 where it took too long, or did not come to run.
    pub exit_code: i32,
    pub output: String,
}

/// What the checks of a run have said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    pub status: HealthStatus,
    /// Failures since the last success.
    pub failing_streak: u32,
    /// The last checks, the newest last.
    pub log: Vec<Check>,
}

impl Health {
    /// Reads what the checks of a container have said, if it is or was checked.
    pub fn load(run_dir: &Path) -> Option<Self> {
        serde_json::from_slice(&store::read(Dir::open(run_dir).ok()?, FILE).ok()?).ok()
    }

    pub(crate) fn save(&self, run_dir: &Path) -> store::Result<()> {
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        store::write_atomic(Dir::open(run_dir)?, FILE, &bytes, store::Durability::Volatile)
    }

    /// Adds a check that began so long after the container's start; true where the status is another one now.
    pub(crate) fn add(&mut self, check: Check, after: Duration, schedule: &Schedule) -> bool {
        let before = self.status;
        let failed = check.exit_code != 0;
        self.log.push(check);
        let surplus = self.log.len().saturating_sub(CHECKS_MAX);
        self.log.drain(..surplus);
        if !failed {
            self.failing_streak = 0;
            self.status = HealthStatus::Healthy;
        } else if before != HealthStatus::Starting || after >= schedule.start_period {
            self.failing_streak += 1;
            if self.failing_streak >= schedule.retries {
                self.status = HealthStatus::Unhealthy;
            }
        }
        self.status != before
    }
}

impl Schedule {
    /// How long to wait before the next check of a container of this age.
    pub(crate) fn pause(&self, status: HealthStatus, age: Duration) -> Duration {
        match status == HealthStatus::Starting && age < self.start_period {
            true => self.start_interval,
            false => self.interval,
        }
    }
}

#[cfg(test)]
mod tests {
    use HealthStatus::*;

    use super::*;

    const SCHEDULE: Schedule = Schedule {
        interval: Duration::from_secs(30),
        timeout: Duration::from_secs(30),
        start_period: Duration::from_secs(10),
        start_interval: Duration::from_secs(5),
        retries: 3,
    };

    /// Adds checks, as (seconds after the start, exit code), and tells after each: status, streak, whether it changed.
    fn told(checks: &[(u64, i32)]) -> Vec<(HealthStatus, u32, bool)> {
        let mut health = Health::default();
        let add = |(after, exit_code): &(u64, i32)| {
            let check = Check { start: 0, end: 0, exit_code: *exit_code, output: String::new() };
            let changed = health.add(check, Duration::from_secs(*after), &SCHEDULE);
            (health.status, health.failing_streak, changed)
        };
        checks.iter().map(add).collect()
    }

    #[test]
    fn failures_count_in_a_row_and_not_before_it_has_started() {
        assert_eq!(
            told(&[(1, 1), (9, 1), (10, 1), (11, 1), (12, 1), (13, 2), (14, 0), (15, -1)]),
            [
                (Starting, 0, false),
                (Starting, 0, false),
                (Starting, 1, false),
                (Starting, 2, false),
                (Unhealthy, 3, true),
                (Unhealthy, 4, false),
                (Healthy, 0, true),
                (Healthy, 1, false),
            ]
        );
        // Once it was well, the start period is over.
        assert_eq!(
            told(&[(1, 0), (2, 1), (3, 1), (4, 1)]),
            [(Healthy, 0, true), (Healthy, 1, false), (Healthy, 2, false), (Unhealthy, 3, true)]
        );
    }

    #[test]
    fn the_last_five_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Health::load(directory.path()), None);
        let mut health = Health::default();
        for number in 0..20 {
            let output = number.to_string();
            health.add(Check { start: number, end: number, exit_code: 1, output }, Duration::ZERO, &SCHEDULE);
        }
        assert_eq!(health.log.iter().map(|check| check.start).collect::<Vec<_>>(), [15, 16, 17, 18, 19]);
        health.save(directory.path()).unwrap();
        assert_eq!(Health::load(directory.path()), Some(health));
    }

    #[test]
    fn checks_are_more_frequent_while_it_starts() {
        let seconds = |status, age| SCHEDULE.pause(status, Duration::from_secs(age)).as_secs();
        assert_eq!((seconds(Starting, 0), seconds(Starting, 9), seconds(Starting, 10)), (5, 5, 30));
        assert_eq!((seconds(Healthy, 0), seconds(Unhealthy, 0)), (30, 30));
    }
}
