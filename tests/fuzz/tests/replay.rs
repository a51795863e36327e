//! The corpus and small changes of it, through every target: no panic, no second, little memory.
#![allow(clippy::disallowed_methods, reason = "tests may read files")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fuzz::{TARGETS, Target, target};

/// More than any input may hold, beside itself.
const MEMORY_MAX: u64 = 64 << 20;
/// A second on a quiet machine; tests run side by side.
const TIME_MAX: Duration = Duration::from_secs(10);

fn corpus(target: Target) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let mut files: Vec<PathBuf> =
        fs::read_dir(&directory).expect("a corpus").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).expect("a seed"))).collect()
}

/// Resets the most memory that the process has had at once (proc_pid_clear_refs(5), Linux 4.0), and returns what it has.
fn begin_counting() -> u64 {
    sys::fs::write("/proc/self/clear_refs", "5").expect("the peak is reset");
    peak()
}

/// Bytes of memory that the process has had at once.
fn peak() -> u64 {
    let status = sys::fs::read_to_string("/proc/self/status").expect("there is one");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("kilobytes")
}

fn try_out(target: Target, input: &[u8], what: &dyn Fn() -> String) {
    let (before, begin) = (begin_counting(), Instant::now());
    let outcome = std::panic::catch_unwind(|| (target.run)(input));
    let (took, held) = (begin.elapsed(), peak().saturating_sub(before));
    if outcome.is_err() || took > TIME_MAX || held > MEMORY_MAX {
        let kept = std::env::temp_dir().join(format!("fuzz-{}-{}", target.name, input.len()));
        fs::write(&kept, input).expect("the input is kept");
        panic!("{}: {}: {took:?}, {held} bytes; kept as {}", target.name, what(), kept.display());
    }
}

/// A generator whose numbers are the same in each run (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below.max(1)
    }
}

/// Changes an input in a few places, as damage, chance or malice would.
fn change(numbers: &mut Numbers, input: &mut Vec<u8>, others: &[(PathBuf, Vec<u8>)]) {
    for _ in 0..=numbers.next(4) {
        let at = numbers.next(input.len());
        match numbers.next(7) {
            0 if !input.is_empty() => input[at] ^= 1 << numbers.next(8),
            1 if !input.is_empty() => input[at] = [0, 0xff, b'0', b'/', b'"', b'9', b'\n'][numbers.next(7)],
            2 => input.truncate(at),
            3 => {
                let len = numbers.next(64.min(input.len() - at));
                input.drain(at..at + len);
            }
            4 => {
                let len = numbers.next(600.min(input.len() - at));
                let piece = input[at..at + len].to_vec();
                let to = numbers.next(input.len());
                input.splice(to..to, piece);
            }
            5 => {
                let other = &others[numbers.next(others.len())].1;
                let from = numbers.next(other.len());
                let len = numbers.next(512.min(other.len() - from));
                input.splice(at..at, other[from..from + len].iter().copied());
            }
            _ => {
                let digits = b"18446744073709551616";
                input.splice(at..at, digits[..numbers.next(digits.len())].iter().copied());
            }
        }
    }
}

/// Targets that write to disk are tried less often.
fn rounds(target: Target) -> usize {
    let usual = if matches!(target.name, "archive" | "layer") { 10 } else { 100 };
    match std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse::<usize>().ok()) {
        Some(cases) => cases / 100 * usual / 100,
        None => usual,
    }
}

fn replay(name: &str) {
    let target = target(name);
    let corpus = corpus(target);
    assert!(corpus.len() >= 3, "a corpus of {} files", corpus.len());
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for (path, seed) in &corpus {
        try_out(target, seed, &|| path.display().to_string());
        for round in 0..rounds(target) {
            let mut input = seed.clone();
            change(&mut numbers, &mut input, &corpus);
            try_out(target, &input, &|| format!("change {round} of {}", path.display()));
        }
    }
}

#[test]
fn every_target_is_replayed() {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, REPLAYED);
}

macro_rules! replay {
    ($($name:ident)*) => {
        const REPLAYED: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                replay(stringify!($name));
            }
        )*
    };
}

replay!(archive config document dockerfile ignore layer reference seccomp spec tar);
