//! Bounded log files of a container, one record a line.
//!
//! ```text
//!   2026-11-23T23:34:45.123456789Z stdout F a whole line
//!   2026-11-23T23:34:45.123456789Z stderr P a part of one, which the next record of the stream continues
//! ```
//! The form is that of the Kubernetes CRI, so that its readers understand the files. The newest is
//! `log`, older ones `log.1`, `log.2`, …; each stays below its bound, unless one record alone
//! exceeds it.

use std::fmt::Write as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::job::LogConfig;
use crate::protocol::Stream;

/// Writes records, rotating by size.
#[derive(Debug)]
pub(crate) struct Writer {
    config: LogConfig,
    file: Option<OwnedFd>,
    bytes: u64,
    /// Records that could not be written (a full disk): the container is never blocked by its log.
    pub(crate) dropped: u64,
    buffer: Vec<u8>,
}

impl Writer {
    pub(crate) fn new(config: LogConfig) -> Self {
        Self { config, file: None, bytes: 0, dropped: 0, buffer: Vec::new() }
    }

    /// Writes what was read from a stream, one record a line; an unfinished line is a part.
    ///
    /// Rotates between records: short lines are dwarfed by their heads, so that one chunk can be more than a
    /// whole file. Only a single record that is larger than the bound exceeds it.
    pub(crate) fn write(&mut self, stream: Stream, chunk: &[u8]) {
        if self.open().is_err() {
            self.dropped += 1;
            return;
        }
        let stamp = timestamp();
        let name = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        self.buffer.clear();
        for line in chunk.split_inclusive(|byte| *byte == b'\n') {
            let before = self.buffer.len();
            let (tag, text) = match line.split_last() {
                Some((b'\n', text)) => ("F", text),
                _ => ("P", line),
            };
            self.buffer.extend_from_slice(stamp.as_bytes());
            self.buffer.push(b' ');
            self.buffer.extend_from_slice(name.as_bytes());
            self.buffer.push(b' ');
            self.buffer.extend_from_slice(tag.as_bytes());
            self.buffer.push(b' ');
            self.buffer.extend_from_slice(text);
            self.buffer.push(b'\n');
            let holds_others = self.bytes + before as u64 > 0;
            if holds_others && self.bytes + self.buffer.len() as u64 > self.config.bytes_max {
                let record = self.buffer.split_off(before);
                if self.append().is_err() {
                    self.dropped += 1;
                }
                self.rotate();
                self.buffer = record;
            }
        }
        if self.append().is_err() {
            self.dropped += 1;
        }
        if self.buffer.capacity() > 64 * 1024 {
            self.buffer = Vec::new();
        }
    }

    /// Opens the newest file, which an earlier run may have begun.
    fn open(&mut self) -> rustix::io::Result<()> {
        if self.file.is_none() {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let file = rustix::fs::open(&self.config.path, flags, Mode::from_raw_mode(0o600))?;
            self.bytes = rustix::fs::fstat(&file)?.st_size as u64;
            self.file = Some(file);
        }
        Ok(())
    }

    fn append(&mut self) -> rustix::io::Result<()> {
        self.open()?;
        let Some(file) = &self.file else { return Ok(()) };
        let mut rest = self.buffer.as_slice();
        while !rest.is_empty() {
            let count = rustix::io::write(file, rest)?;
            rest = &rest[count..];
            self.bytes += count as u64;
        }
        Ok(())
    }

    /// Shifts `log` to `log.1` and so on; the oldest is overwritten.
    fn rotate(&mut self) {
        self.file = None;
        self.bytes = 0;
        for number in (1..self.config.files_max).rev() {
            let from =
                if number == 1 { self.config.path.clone() } else { numbered(&self.config.path, number - 1) };
            let _ = rustix::fs::rename(from, numbered(&self.config.path, number));
        }
        if self.config.files_max <= 1 {
            let _ = rustix::fs::unlink(&self.config.path);
        }
    }
}

/// Returns the name of an older file.
fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// Lists the files of a log, oldest first.
pub fn files(path: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        (1..).map(|number| numbered(path, number)).take_while(|path| sys::fs::exists(path)).collect();
    found.reverse();
    if sys::fs::exists(path) {
        found.push(path.to_owned());
    }
    found
}

/// One record of a log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// RFC 3339 with nanoseconds.
    pub time: &'a str,
    pub stream: Stream,
    /// Whether the line ends here.
    pub complete: bool,
    pub text: &'a [u8],
}

/// Parses one line of a log file.
pub fn parse(line: &[u8]) -> Option<Record<'_>> {
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let time = std::str::from_utf8(parts.next()?).ok()?;
    let stream = match parts.next()? {
        b"stdout" => Stream::Stdout,
        b"stderr" => Stream::Stderr,
        _ => return None,
    };
    let complete = match parts.next()? {
        b"F" => true,
        b"P" => false,
        _ => return None,
    };
    Some(Record { time, stream, complete, text: parts.next()? })
}

/// Returns now as RFC 3339 with nine digits, as Docker prints it.
fn timestamp() -> String {
    format_time(crate::status::now())
}

/// Formats nanoseconds since 1970 as RFC 3339 with nine digits.
pub fn format_time(nanoseconds: i64) -> String {
    let mut text = String::with_capacity(32);
    match jiff::Timestamp::from_nanosecond(nanoseconds.into()) {
        Ok(time) => {
            let _ = write!(text, "{time:.9}");
        }
        Err(_) => text.push_str("1970-01-01T00:00:00.000000000Z"),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(directory: &Path, bytes_max: u64, files_max: u32) -> Writer {
        Writer::new(LogConfig { path: directory.join("log"), bytes_max, files_max })
    }

    fn texts(path: &Path) -> Vec<(bool, Vec<u8>)> {
        let bytes = sys::fs::read(path).unwrap();
        bytes
            .split(|b| *b == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| parse(line).map(|record| (record.complete, record.text.to_vec())).unwrap())
            .collect()
    }

    #[test]
    fn unfinished_lines_are_parts() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = writer(directory.path(), 1 << 20, 2);
        log.write(Stream::Stdout, b"one\ntw");
        log.write(Stream::Stdout, b"o\n\xff\n");
        assert_eq!(
            texts(&directory.path().join("log")),
            [(true, b"one".to_vec()), (false, b"tw".to_vec()), (true, b"o".to_vec()), (true, vec![0xff])]
        );
    }

    #[test]
    fn files_stay_below_their_bound() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = writer(directory.path(), 1000, 3);
        for number in 0..200 {
            log.write(Stream::Stderr, format!("line {number}\n").as_bytes());
        }
        let found = files(&directory.path().join("log"));
        assert_eq!(found.len(), 3);
        let total: usize = found.iter().map(|path| sys::fs::read(path).unwrap().len()).sum();
        assert!(total <= 3000, "{total}");
        let last = texts(&directory.path().join("log")).pop().unwrap();
        assert_eq!(last.1, b"line 199");
    }

    #[test]
    fn many_short_lines_in_one_chunk_do_not_exceed_the_bound() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = writer(directory.path(), 1000, 3);
        log.write(Stream::Stdout, b"x\n".repeat(500).as_slice());
        log.write(Stream::Stdout, b"last\n");
        let found = files(&directory.path().join("log"));
        assert_eq!(found.len(), 3);
        for path in &found {
            let size = sys::fs::read(path).unwrap().len();
            assert!(size <= 1000, "{} has {size} bytes", path.display());
        }
        assert_eq!(texts(&directory.path().join("log")).pop().unwrap().1, b"last");
    }

    #[test]
    fn a_record_larger_than_the_bound_has_a_file_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = writer(directory.path(), 100, 3);
        log.write(Stream::Stdout, b"a\n");
        log.write(Stream::Stdout, &[b'x'; 300]);
        log.write(Stream::Stdout, b"b\n");
        let texts: Vec<_> =
            files(&directory.path().join("log")).iter().map(|path| texts(path).len()).collect();
        assert_eq!(texts, [1, 1, 1]);
    }

    #[test]
    fn time_has_nine_digits() {
        assert_eq!(format_time(1_763_940_885_120_000_000), "2025-11-23T23:34:45.120000000Z");
    }
}
