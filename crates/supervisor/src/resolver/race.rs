//! One question that several upstreams were asked at once: who has answered, and which answer counts. Pure.

use std::time::{Duration, Instant};

use super::message::Worth;
use super::upstream::UPSTREAMS_MAX;

/// How long "no such name" of a later upstream waits for those before it: with a company's resolver first and a public
/// one second, the public one is quicker to deny a name of the company.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long a failure of one waits for the others.
const PATIENCE_WITH_FAILURE: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Runner {
    #[default]
    Absent,
    Running,
    Done,
}

/// The state of one question.
#[derive(Debug, Default)]
pub(super) struct Race {
    runners: [Runner; UPSTREAMS_MAX],
    best: Option<Best>,
}

#[derive(Debug)]
struct Best {
    worth: Worth,
    place: usize,
    answer: Vec<u8>,
    since: Instant,
}

impl Race {
    /// Notes that the upstream at a place was asked.
    pub(super) fn asked(&mut self, place: usize) {
        self.runners[place] = Runner::Running;
    }

    /// Whether somebody is still to be heard of.
    pub(super) fn anybody_runs(&self) -> bool {
        self.runners.contains(&Runner::Running)
    }

    pub(super) fn was_asked(&self, place: usize) -> bool {
        self.runners[place] != Runner::Absent
    }

    /// Notes an answer. A better one replaces the best so far; of two that deny, the earlier place's counts.
    pub(super) fn answered(&mut self, place: usize, worth: Worth, answer: Vec<u8>, now: Instant) {
        self.runners[place] = Runner::Done;
        let is_better = self
            .best
            .as_ref()
            .is_none_or(|best| worth > best.worth || (worth == best.worth && place < best.place));
        if is_better {
            let since = match &self.best {
                Some(best) if best.worth == worth => best.since,
                _ => now,
            };
            self.best = Some(Best { worth, place, answer, since });
        }
    }

    /// Notes that nothing will come from an upstream.
    pub(super) fn failed(&mut self, place: usize) {
        self.runners[place] = Runner::Done;
    }

    /// Whether it is decided which answer counts.
    pub(super) fn is_decided(&self, now: Instant) -> bool {
        let Some(best) = &self.best else { return false };
        match best.worth {
            Worth::Positive | Worth::Truncated => true,
            Worth::Negative => {
                now >= best.since + PATIENCE || !self.runners[..best.place].contains(&Runner::Running)
            }
            Worth::Failure => now >= best.since + PATIENCE_WITH_FAILURE || !self.anybody_runs(),
        }
    }

    /// Returns when to look again without anything having come.
    pub(super) fn patience_ends(&self) -> Option<Instant> {
        let best = self.best.as_ref()?;
        let patience = if best.worth == Worth::Failure { PATIENCE_WITH_FAILURE } else { PATIENCE };
        Some(best.since + patience)
    }

    /// Whether anything was answered at all.
    pub(super) fn has_answer(&self) -> bool {
        self.best.is_some()
    }

    /// Takes the best answer there is.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        self.best.take().map(|best| best.answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_good_answer_wins_and_denials_keep_the_order() {
        use Worth::{Failure, Negative, Positive, Truncated};
        // What comes at which millisecond from whom; who is given up; when it is decided, and whose answer it is.
        type Come = (u64, usize, Option<Worth>);
        type Case = (&'static str, &'static [Come], Option<u64>, Option<u8>);
        let table: [Case; 10] = [
            ("the only answer", &[(5, 1, Some(Positive))], Some(5), Some(1)),
            (
                "a failure waits for the others",
                &[(1, 0, Some(Failure)), (9, 2, Some(Positive))],
                Some(9),
                Some(2),
            ),
            ("a failure and silence", &[(1, 0, Some(Failure))], Some(1001), Some(0)),
            ("the first denies", &[(3, 0, Some(Negative))], Some(3), Some(0)),
            ("a later one denies", &[(3, 1, Some(Negative))], Some(203), Some(1)),
            (
                "a later one denies, the first knows",
                &[(3, 1, Some(Negative)), (40, 0, Some(Positive))],
                Some(40),
                Some(0),
            ),
            (
                "a later one denies, the first too",
                &[(3, 2, Some(Negative)), (40, 0, Some(Negative))],
                Some(40),
                Some(0),
            ),
            (
                "a later one denies, the first is gone",
                &[(3, 1, Some(Negative)), (4, 0, None)],
                Some(4),
                Some(1),
            ),
            (
                "a later one denies, the first fails",
                &[(3, 1, Some(Negative)), (4, 0, Some(Failure))],
                Some(4),
                Some(1),
            ),
            (
                "a part is better than nothing",
                &[(3, 1, Some(Negative)), (4, 2, Some(Truncated))],
                Some(4),
                Some(2),
            ),
        ];
        for (what, come, decided_at, winner) in table {
            let start = Instant::now();
            let mut race = Race::default();
            (0..3).for_each(|place| race.asked(place));
            let mut come = come.iter().peekable();
            let mut decided = None;
            for millisecond in 0..2000 {
                let now = start + Duration::from_millis(millisecond);
                while let Some((_, place, worth)) = come.next_if(|(at, ..)| *at == millisecond) {
                    match worth {
                        Some(worth) => race.answered(*place, *worth, vec![*place as u8], now),
                        None => race.failed(*place),
                    }
                }
                if decided.is_none() && race.is_decided(now) {
                    decided = Some(millisecond);
                }
            }
            assert_eq!(decided, decided_at, "{what}");
            assert_eq!(race.take().map(|answer| answer[0]), winner, "{what}");
        }
    }

    #[test]
    fn who_was_not_asked_is_not_waited_for() {
        let now = Instant::now();
        let mut race = Race::default();
        race.asked(2);
        assert!(race.anybody_runs() && !race.was_asked(0));
        race.answered(2, Worth::Negative, vec![2], now);
        assert!(race.is_decided(now) && !race.anybody_runs() && race.was_asked(2));
    }
}
