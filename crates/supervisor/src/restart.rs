//! Restart policies: whether a container that has ended is started again, and when. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What happens when the container's process ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestartPolicy {
    #[default]
    No,
    /// Where it has failed; at most so many times, if that is said.
    OnFailure {
        retries_max: Option<u32>,
    },
    Always,
    /// As always, and after a boot unless it was stopped by somebody.
    UnlessStopped,
}

impl RestartPolicy {
    /// Docker's word, without the number of tries.
    pub fn word(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::OnFailure { .. } => "on-failure",
            Self::Always => "always",
            Self::UnlessStopped => "unless-stopped",
        }
    }

    /// How often it may be started again; 0 is for ever.
    pub fn retries_max(self) -> u32 {
        match self {
            Self::OnFailure { retries_max } => retries_max.unwrap_or(0),
            _ => 0,
        }
    }
}

/// How a run has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunEnd {
    pub exit_code: u8,
    /// Somebody has asked for the end.
    pub stopped: bool,
    /// How long it has run, by a clock that nobody sets.
    pub ran: Duration,
    /// How often it was started again since somebody started it.
    pub restarts: u32,
    /// The pause before this run, if it was started again.
    pub pause: Duration,
}

const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// A run of this length was a good one: pauses begin anew.
const GOOD: Duration = Duration::from_secs(10);

impl RestartPolicy {
    /// Returns how long to wait before the container is started again, if it is.
    pub fn pause_after(self, end: &RunEnd) -> Option<Duration> {
        if end.stopped || !self.wants(end) {
            return None;
        }
        let doubled = if end.ran >= GOOD { PAUSE_MIN } else { end.pause * 2 };
        Some(doubled.clamp(PAUSE_MIN, PAUSE_MAX))
    }

    /// Whether it is started after a boot, given how its last run has ended.
    pub fn at_boot(self, end: &RunEnd) -> bool {
        // Who was stopped is started by nobody but `always`, as with Docker.
        (self == Self::Always || !end.stopped) && self.wants(end)
    }

    fn wants(self, end: &RunEnd) -> bool {
        match self {
            Self::No => false,
            Self::Always | Self::UnlessStopped => true,
            Self::OnFailure { retries_max } => {
                end.exit_code != 0 && retries_max.is_none_or(|max| end.restarts < max)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use RestartPolicy::*;

    use super::*;

    const END: RunEnd =
        RunEnd { exit_code: 1, stopped: false, ran: Duration::ZERO, restarts: 0, pause: Duration::ZERO };

    #[test]
    fn who_is_started_again() {
        let success = RunEnd { exit_code: 0, ..END };
        let stopped = RunEnd { stopped: true, ..END };
        let third = RunEnd { restarts: 3, ..END };
        let (for_ever, three, four) = (
            OnFailure { retries_max: None },
            OnFailure { retries_max: Some(3) },
            OnFailure { retries_max: Some(4) },
        );
        // At its end, and after a boot.
        for (policy, end, at_end, at_boot) in [
            (No, END, false, false),
            (Always, END, true, true),
            (Always, success, true, true),
            (Always, stopped, false, true),
            (UnlessStopped, success, true, true),
            (UnlessStopped, stopped, false, false),
            (for_ever, END, true, true),
            (for_ever, success, false, false),
            (for_ever, stopped, false, false),
            (for_ever, RunEnd { restarts: u32::MAX, ..END }, true, true),
            (three, third, false, false),
            (four, third, true, true),
        ] {
            assert_eq!(policy.pause_after(&end).is_some(), at_end, "{policy:?} {end:?}");
            assert_eq!(policy.at_boot(&end), at_boot, "{policy:?} {end:?}");
        }
    }

    #[test]
    fn pauses_double_to_a_minute_and_begin_anew_after_a_good_run() {
        let mut pause = Duration::ZERO;
        let mut pauses = Vec::new();
        for _ in 0..12 {
            pause = Always.pause_after(&RunEnd { pause, ..END }).unwrap();
            pauses.push(pause.as_millis());
        }
        let expected = [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 60_000, 60_000];
        assert_eq!(pauses, expected);
        let after = |ran| Always.pause_after(&RunEnd { pause, ran, ..END }).unwrap();
        assert_eq!(after(Duration::from_millis(9_999)), PAUSE_MAX);
        assert_eq!(after(Duration::from_secs(10)), PAUSE_MIN);
    }
}
