//! Tables in Markdown, ready for `docs/performance.md`.

use std::fmt::Write;
use std::fs;

use super::sample::{Sample, milliseconds};

/// Tables of contests, then one table of single facts.
pub(super) struct Report {
    text: String,
    facts: Vec<(String, String)>,
}

impl Report {
    /// Begins with where and when.
    pub(super) fn new() -> Self {
        Self { text: format!("{}\n", circumstances()), facts: Vec::new() }
    }

    /// Adds a table; the ratios are to its first row.
    pub(super) fn contest(&mut self, title: &str, rows: Vec<(String, Sample)>) {
        let Some(first) = rows.first().map(|(_, sample)| sample.median().as_secs_f64()) else { return };
        let _ = writeln!(self.text, "| {title} | median ms | p90 ms | × | runs |\n|---|---:|---:|---:|---:|");
        for (name, sample) in rows {
            let (median, p90) = (milliseconds(sample.median()), milliseconds(sample.p90()));
            let ratio = sample.median().as_secs_f64() / first;
            let _ = writeln!(self.text, "| {name} | {median} | {p90} | {ratio:.2} | {} |", sample.count());
        }
        self.text.push('\n');
    }

    /// Adds a single number.
    pub(super) fn fact(&mut self, name: &str, value: String) {
        self.facts.push((name.to_owned(), value));
    }

    /// Adds a single latency.
    pub(super) fn duration(&mut self, name: &str, sample: &Sample) {
        let (median, p90) = (milliseconds(sample.median()), milliseconds(sample.p90()));
        self.fact(name, format!("{median} ms (p90 {p90})"));
    }

    pub(super) fn finish(mut self) -> String {
        if !self.facts.is_empty() {
            self.text.push_str("| | |\n|---|---:|\n");
        }
        for (name, value) in self.facts {
            let _ = writeln!(self.text, "| {name} | {value} |");
        }
        self.text
    }
}

/// The day, the kernel, the processor, and how busy the machine was.
fn circumstances() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let cpu = read("/proc/cpuinfo");
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("", |pair| pair.1);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{}; Linux {kernel}; {cores} × {model}; load {load} when it began.\n", today())
}

/// Returns the date of now in UTC, by the civil-from-days algorithm.
fn today() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    date((now.as_secs() / 86_400).cast_signed())
}

fn date(days_since_1970: i64) -> String {
    let days = days_since_1970 + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_right_around_leap_days() {
        assert_eq!(
            [date(0), date(11_016), date(11_017), date(20_781)],
            ["1970-01-01", "2000-02-29", "2000-03-01", "2026-11-24"]
        );
    }

    #[test]
    fn ratios_are_to_the_first_row() {
        let mut report = Report { text: String::new(), facts: Vec::new() };
        let row = |name: &str, millis| {
            (name.to_owned(), Sample::new(vec![Duration::from_millis(millis)]).expect("one"))
        };
        report.contest("start", vec![row("floor", 2), row("ours", 5)]);
        report.fact("size", "3 MiB".into());
        let text = report.finish();
        assert!(
            text.contains("| ours | 5.00 | 5.00 | 2.50 | 1 |") && text.ends_with("| size | 3 MiB |\n"),
            "{text}"
        );
    }
}
