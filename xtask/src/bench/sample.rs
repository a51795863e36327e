//! Durations of one thing done many times.

use std::time::Duration;

/// Sorted measurements; never empty.
#[derive(Clone)]
pub(super) struct Sample(Vec<Duration>);

impl Sample {
    /// Takes measurements in any order; `None` if there are none.
    pub(super) fn new(mut durations: Vec<Duration>) -> Option<Self> {
        durations.sort_unstable();
        (!durations.is_empty()).then_some(Self(durations))
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    pub(super) fn median(&self) -> Duration {
        self.at(0.5)
    }

    /// Returns the value that nine of ten do not exceed.
    pub(super) fn p90(&self) -> Duration {
        self.at(0.9)
    }

    fn at(&self, part: f64) -> Duration {
        let last = self.0.len() - 1;
        self.0[(last as f64 * part).round() as usize]
    }
}

/// Writes milliseconds with as many digits as mean something.
pub(super) fn milliseconds(duration: Duration) -> String {
    let value = duration.as_secs_f64() * 1000.0;
    if value < 10.0 {
        format!("{value:.2}")
    } else if value < 100.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_p90_are_members() {
        let sample = Sample::new((1..=11).rev().map(Duration::from_millis).collect()).expect("not empty");
        assert_eq!((sample.median(), sample.p90()), (Duration::from_millis(6), Duration::from_millis(10)));
        assert!(Sample::new(Vec::new()).is_none());
    }

    #[test]
    fn three_digits_are_shown() {
        let show = |micros| milliseconds(Duration::from_micros(micros));
        assert_eq!([show(2_346), show(23_460), show(234_600)], ["2.35", "23.5", "235"]);
    }
}
