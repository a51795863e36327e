//! Parsers of the kernel's counter files: texts in, values out.

use std::time::Duration;

use super::{Cpu, DeviceIo, Stall};

/// The clock that `cpuacct.stat` counts in: USER_HZ, 100 on every machine that Linux still runs containers on.
const TICK: Duration = Duration::from_millis(10);

/// Parses a file with one number; `max` and an empty one are none.
pub(super) fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// Finds the value of a key in lines of `key value`.
pub(super) fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Returns a v1 limit unless it is the one of an unlimited group: the greatest signed number rounded down to a page.
pub(super) fn v1_limit(limit: u64) -> Option<u64> {
    (limit < i64::MAX.unsigned_abs() & !0xffff).then_some(limit)
}

/// Parses the four files of v1's `cpuacct` and `cpu`.
pub(super) fn cpu_v1(usage: &str, stat: &str, per_cpu: &str, throttling: &str) -> Cpu {
    let ticks = |key| TICK.saturating_mul(u32::try_from(keyed(stat, key).unwrap_or(0)).unwrap_or(u32::MAX));
    let count = |key| keyed(throttling, key).unwrap_or(0);
    Cpu {
        total: Duration::from_nanos(number(usage).unwrap_or(0)),
        user: ticks("user"),
        system: ticks("system"),
        per_cpu: per_cpu.split_whitespace().filter_map(number).map(Duration::from_nanos).collect(),
        periods: count("nr_periods"),
        throttled_periods: count("nr_throttled"),
        throttled: Duration::from_nanos(count("throttled_time")),
    }
}

/// Parses v2's `cpu.stat`; the throttling lines are there only with the `cpu` controller.
pub(super) fn cpu_v2(text: &str) -> Option<Cpu> {
    let micros = |key| keyed(text, key).map(Duration::from_micros);
    Some(Cpu {
        total: micros("usage_usec")?,
        user: micros("user_usec").unwrap_or_default(),
        system: micros("system_usec").unwrap_or_default(),
        per_cpu: Vec::new(),
        periods: keyed(text, "nr_periods").unwrap_or(0),
        throttled_periods: keyed(text, "nr_throttled").unwrap_or(0),
        throttled: micros("throttled_usec").unwrap_or_default(),
    })
}

/// Parses `blkio.throttle.io_service_bytes` and `io_serviced`: lines of `8:0 Read 4096`.
pub(super) fn io_v1(bytes: &str, operations: &str) -> Vec<DeviceIo> {
    let mut devices = Vec::new();
    let mut each = |text: &str, take: fn(&mut DeviceIo) -> (&mut u64, &mut u64)| {
        for line in text.lines() {
            let mut words = line.split(' ');
            let (Some(device), Some(kind), Some(value)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            let Some(entry) = entry(&mut devices, device) else { continue };
            let (read, write) = take(entry);
            match kind {
                "Read" => *read = number(value).unwrap_or(0),
                "Write" => *write = number(value).unwrap_or(0),
                _ => {}
            }
        }
    };
    each(bytes, |device| (&mut device.read_bytes, &mut device.write_bytes));
    each(operations, |device| (&mut device.read_operations, &mut device.write_operations));
    devices
}

/// Parses `io.stat`: lines of `8:0 rbytes=1 wbytes=2 rios=3 wios=4`.
pub(super) fn io_v2(text: &str) -> Vec<DeviceIo> {
    let mut devices = Vec::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let Some(device) = words.next() else { continue };
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            let Some(entry) = entry(&mut devices, device) else { break };
            let value = number(value).unwrap_or(0);
            match key {
                "rbytes" => entry.read_bytes = value,
                "wbytes" => entry.write_bytes = value,
                "rios" => entry.read_operations = value,
                "wios" => entry.write_operations = value,
                _ => {}
            }
        }
    }
    devices
}

/// Finds or adds the entry of a device written `8:0`.
fn entry<'d>(devices: &'d mut Vec<DeviceIo>, device: &str) -> Option<&'d mut DeviceIo> {
    let (major, minor) = device.split_once(':')?;
    let (major, minor) = (major.parse().ok()?, minor.parse().ok()?);
    let at =
        devices.iter().position(|entry| (entry.major, entry.minor) == (major, minor)).unwrap_or_else(|| {
            devices.push(DeviceIo { major, minor, ..DeviceIo::default() });
            devices.len() - 1
        });
    devices.get_mut(at)
}

/// Parses a pressure file: `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and the same for `full`.
pub(super) fn stall(text: &str) -> Option<Stall> {
    let mut stall = Stall::default();
    let mut seen = false;
    for line in text.lines() {
        let mut words = line.split(' ');
        let kind = words.next();
        let (percent, total) = match kind {
            Some("some") => (&mut stall.some_percent, &mut stall.some_total),
            Some("full") => (&mut stall.full_percent, &mut stall.full_total),
            _ => continue,
        };
        seen = true;
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            match key {
                "avg10" => percent[0] = value.parse().unwrap_or(0.0),
                "avg60" => percent[1] = value.parse().unwrap_or(0.0),
                "avg300" => percent[2] = value.parse().unwrap_or(0.0),
                "total" => *total = Duration::from_micros(number(value).unwrap_or(0)),
                _ => {}
            }
        }
    }
    seen.then_some(stall)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v1_processor_time() {
        let cpu = cpu_v1(
            "1500000000\n",
            "user 100\nsystem 40\n",
            "1000000000 500000000 \n",
            "nr_periods 7\nnr_throttled 3\nthrottled_time 250000\nnr_bursts 0\n",
        );
        assert_eq!(
            cpu,
            Cpu {
                total: Duration::from_millis(1500),
                user: Duration::from_secs(1),
                system: Duration::from_millis(400),
                per_cpu: vec![Duration::from_secs(1), Duration::from_millis(500)],
                periods: 7,
                throttled_periods: 3,
                throttled: Duration::from_micros(250),
            }
        );
        assert_eq!(cpu_v1("", "", "", ""), Cpu::default());
    }

    #[test]
    fn v2_processor_time_with_and_without_the_controller() {
        let text = "usage_usec 86918752\nuser_usec 63811091\nsystem_usec 23107661\nnice_usec 1963689\n";
        let cpu = cpu_v2(text).unwrap();
        assert_eq!(cpu.total, Duration::from_micros(86_918_752));
        assert_eq!((cpu.user.as_micros(), cpu.system.as_micros(), cpu.periods), (63_811_091, 23_107_661, 0));
        let cpu = cpu_v2(&format!("{text}nr_periods 5\nnr_throttled 2\nthrottled_usec 9\n")).unwrap();
        assert_eq!((cpu.periods, cpu.throttled_periods, cpu.throttled.as_micros()), (5, 2, 9));
        assert_eq!(cpu_v2(""), None);
    }

    #[test]
    fn keys_match_whole_words() {
        let text = "oom 1\noom_kill_disable 0\nunder_oom 0\noom_kill 4\nbroken\n";
        assert_eq!(keyed(text, "oom_kill"), Some(4));
        assert_eq!(keyed(text, "oom"), Some(1));
        assert_eq!(keyed(text, "kill"), None);
        assert_eq!(keyed(text, "broken"), None);
    }

    #[test]
    fn unlimited_is_absent() {
        assert_eq!(number("max\n"), None);
        assert_eq!(v1_limit(9_223_372_036_854_771_712), None);
        // The same with pages of 64 KiB.
        assert_eq!(v1_limit(9_223_372_036_854_710_272), None);
        assert_eq!(v1_limit(1 << 40), Some(1 << 40));
    }

    #[test]
    fn block_devices_of_both_versions() {
        let expected = [
            DeviceIo {
                major: 8,
                minor: 0,
                read_bytes: 4096,
                write_bytes: 512,
                read_operations: 1,
                write_operations: 2,
            },
            DeviceIo { major: 259, minor: 3, read_bytes: 9, ..DeviceIo::default() },
        ];
        let bytes = "8:0 Read 4096\n8:0 Write 512\n8:0 Sync 0\n8:0 Total 4608\n259:3 Read 9\nTotal 4617\n";
        assert_eq!(io_v1(bytes, "8:0 Read 1\n8:0 Write 2\nTotal 3\n"), expected);
        assert_eq!(
            io_v2("8:0 rbytes=4096 wbytes=512 rios=1 wios=2 dbytes=0 dios=0\n259:3 rbytes=9\n"),
            expected
        );
        assert_eq!(io_v1("Total 0\n", "Total 0\n"), []);
        assert_eq!(io_v2("\nnonsense x=1\n"), []);
    }

    #[test]
    fn pressure_with_and_without_full() {
        let some = "some avg10=1.50 avg60=0.25 avg300=0.00 total=1234567\n";
        let stall_some = stall(some).unwrap();
        assert_eq!(stall_some.some_percent, [1.5, 0.25, 0.0]);
        assert_eq!(stall_some.some_total, Duration::from_micros(1_234_567));
        let both = stall(&format!("{some}full avg10=3.00 avg60=0.00 avg300=0.00 total=9\n")).unwrap();
        assert_eq!((both.full_percent[0], both.full_total.as_micros()), (3.0, 9));
        assert_eq!(stall(""), None);
    }
}
