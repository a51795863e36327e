//! What a container prints on its way: into its log, to whoever started it, to whoever is attached.

use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::super::Options;
use super::super::contest::{Engine, Engines, answer};
use super::super::report::Report;
use super::row;

/// Lines of 64 bytes, all different.
struct Lines {
    path: PathBuf,
    bytes: u64,
    last: String,
}

impl Lines {
    fn write(options: &Options, base: &Path) -> Result<Self> {
        let path = base.join("lines");
        let count = if options.quick { 500_000 } else { 4_700_000 };
        let mut file = BufWriter::new(std::fs::File::create(&path)?);
        for number in 0..count {
            file.write_all(line(number).as_bytes())?;
        }
        file.flush()?;
        Ok(Self { path, bytes: count * 64, last: line(count - 1) })
    }

    /// A command that makes a container which prints them all.
    fn printed_by(&self, engine: &dyn Engine, flags: &[&str], script: &str) -> Command {
        let volume = format!("{}:/lines:ro", self.path.display());
        let place = ["--network", "none", "--volume", &volume];
        engine.command(&[&["run"], flags, &place, &["busybox", "sh", "-c", script]].concat())
    }

    fn title(&self, what: &str) -> String {
        format!("{} MB of lines of 64 bytes, {what}", self.bytes / 1_000_000)
    }
}

fn line(number: u64) -> String {
    format!("{number:>11} a line as programs print it, neither long nor short\n")
}

const PRINT: &str = "exec cat /lines";

fn rounds(options: &Options) -> usize {
    options.iterations().div_ceil(10)
}

/// From the start until the log has all of it, and, in the foreground, until the caller has all of it as well.
pub(super) fn logs(options: &Options, base: &Path, engines: &Engines<'_>, report: &mut Report) -> Result<()> {
    let lines = Lines::write(options, base)?;
    let drivers = ["local", "json-file"];
    let mut rows = Vec::new();
    for &(name, engine) in engines {
        for driver in drivers {
            let taken = (0..rounds(options)).map(|_| log_once(engine, &lines, driver));
            let what = format!("`{name} run --detach`, `{driver}`");
            rows.extend(row(what, taken.collect::<Result<_>>()?));
        }
    }
    report.contest(&lines.title("until the log is complete"), rows);
    let mut rows = Vec::new();
    for &(name, engine) in engines {
        for driver in [drivers[0], drivers[1], "none"] {
            let taken = (0..rounds(options)).map(|_| {
                let flags = ["--rm", "--log-driver", driver];
                read_all(lines.printed_by(engine, &flags, PRINT), b"", lines.bytes)
            });
            rows.extend(row(format!("`{name} run`, `{driver}`"), taken.collect::<Result<_>>()?));
        }
    }
    report.contest(&lines.title("through a pipe of the caller's"), rows);
    Ok(())
}

fn log_once(engine: &dyn Engine, lines: &Lines, driver: &str) -> Result<Duration> {
    let start = Instant::now();
    let id = answer(lines.printed_by(engine, &["--detach", "--log-driver", driver], PRINT))?;
    answer(engine.command(&["wait", &id]))?;
    let took = start.elapsed();
    let last = answer(engine.command(&["logs", "--tail", "1", &id]))?;
    ensure!(last.trim() == lines.last.trim(), "the log ends with `{last}`");
    engine.remove(&[id])?;
    Ok(took)
}

/// From when somebody attaches, and says so to the container, until he has all of it.
pub(super) fn attach(
    options: &Options,
    base: &Path,
    engines: &Engines<'_>,
    report: &mut Report,
) -> Result<()> {
    let lines = Lines::write(options, base)?;
    let mut rows = Vec::new();
    for &(name, engine) in engines {
        let mut taken = Vec::new();
        for _ in 0..rounds(options) {
            let flags = ["--detach", "--interactive", "--log-driver", "none"];
            let id = answer(lines.printed_by(engine, &flags, &format!("read go; {PRINT}")))?;
            taken.push(read_all(engine.command(&["attach", &id]), b"go\n", lines.bytes)?);
            engine.remove(&[id])?;
        }
        rows.extend(row(format!("`{name} attach`"), taken));
    }
    report.contest(&lines.title("to an attached command, without a log"), rows);
    Ok(())
}

/// Gives a command its input and times it until it has printed as many bytes as expected, and has ended.
fn read_all(mut command: Command, input: &[u8], bytes: u64) -> Result<Duration> {
    let start = Instant::now();
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
    let (mut stdin, stdout) = (child.stdin.take(), child.stdout.take());
    if let Some(stdin) = &mut stdin {
        stdin.write_all(input)?;
    }
    // Open until all was read: docker's `attach` leaves when its input ends.
    let mut stdout = stdout.context("a piped stream")?;
    let (mut chunk, mut read) = (vec![0; 1 << 16], 0);
    while let count @ 1.. = stdout.read(&mut chunk)? {
        read += count as u64;
    }
    let status = child.wait()?;
    drop(stdin);
    ensure!(status.success() && read == bytes, "{command:?} {status}, {read} bytes of {bytes}");
    Ok(start.elapsed())
}
