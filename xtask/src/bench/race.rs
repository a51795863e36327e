//! Many callers at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::contest::complain;
use super::report::Report;

/// Does something many times by parallel callers, each with its number; returns what came of it in the order of numbers.
pub(super) fn gather<T: Send>(
    callers: usize,
    many: usize,
    make: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let made: Vec<Vec<_>> = thread::scope(|scope| {
        let call = || {
            let numbers = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)));
            let numbers = numbers.take_while(|number| *number < many);
            numbers.map(|number| Ok((number, make(number)?))).collect::<Result<Vec<_>>>()
        };
        let callers: Vec<_> = (0..callers).map(|_| scope.spawn(call)).collect();
        let made = callers.into_iter().map(|caller| caller.join().expect("a caller does not panic"));
        made.collect::<Result<Vec<_>>>()
    })?;
    let mut made: Vec<(usize, T)> = made.into_iter().flatten().collect();
    made.sort_unstable_by_key(|(number, _)| *number);
    Ok(made.into_iter().map(|(_, made)| made).collect())
}

/// How a number of starts by parallel callers went.
pub(super) struct Race {
    took: Duration,
    starts: usize,
    failed: usize,
    first_failure: Option<String>,
}

impl Race {
    pub(super) fn run(callers: usize, starts: usize, start: impl Fn() -> Result<Duration> + Sync) -> Self {
        let next = AtomicUsize::new(0);
        let begin = Instant::now();
        let failures: Vec<String> = thread::scope(|scope| {
            let call = || {
                let mut failures = Vec::new();
                while next.fetch_add(1, Ordering::Relaxed) < starts {
                    failures.extend(start().err().map(|error| format!("{error:#}")));
                }
                failures
            };
            let callers: Vec<_> = (0..callers).map(|_| scope.spawn(call)).collect();
            callers.into_iter().flat_map(|caller| caller.join().expect("a caller does not panic")).collect()
        });
        Self {
            took: begin.elapsed(),
            starts,
            failed: failures.len(),
            first_failure: failures.into_iter().next(),
        }
    }

    pub(super) fn report(&self, what: &str, report: &mut Report) {
        let rate = self.starts as f64 / self.took.as_secs_f64();
        report.fact(
            what,
            format!("{:.1} s, {rate:.0} a second, {} failed", self.took.as_secs_f64(), self.failed),
        );
        if let Some(failure) = &self.first_failure {
            complain(&format!("the first that failed: {failure}"));
        }
    }
}
