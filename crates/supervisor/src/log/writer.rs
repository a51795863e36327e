//! Writes records, rotating by size.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};

use super::compress::Compression;
use super::form::{CriHead, JsonTail};
use super::{compressed, numbered, timestamp};
use crate::job::{LogConfig, LogForm};
use crate::protocol::Stream;

/// The longest part of a line in one record of Docker's form; a shorter one waits for its end.
const LINE_BYTES: usize = 16 << 10;

/// How much is written at once; a container that prints less costs no more than that.
const BUFFER_BYTES: usize = 56 << 10;

/// The newest file of a log, and those before it.
#[derive(Debug)]
pub(crate) struct Writer {
    config: LogConfig,
    file: Option<OwnedFd>,
    bytes: u64,
    /// Records that could not be written (a full disk): the container is never blocked by its log.
    dropped: u64,
    /// Records that are not written yet, whole ones only.
    buffer: Vec<u8>,
    records: u64,
    /// By stream, whether the last record is a part of a line: of those in the buffer, and of those in the file.
    part: [bool; 2],
    part_written: [bool; 2],
    /// By stream, whether the part in the file is to be ended before anything else comes.
    owes_end: [bool; 2],
    /// By stream, whether the rest of a line whose beginning could not be written is passed over.
    passing_over: [bool; 2],
    /// In Docker's form, what was begun of a line, by stream.
    begun: [Vec<u8>; 2],
    /// The attributes of each record in Docker's form, with what stands around them.
    attributes: String,
    compression: Option<Compression>,
}

impl Writer {
    pub(crate) fn new(config: LogConfig) -> Self {
        let attributes = match config.attributes.is_empty() {
            true => String::new(),
            false => serde_json::to_string(&config.attributes)
                .map(|text| format!(",\"attrs\":{text}"))
                .unwrap_or_default(),
        };
        Compression::forget(&config.path);
        Self {
            config,
            file: None,
            bytes: 0,
            dropped: 0,
            buffer: Vec::new(),
            records: 0,
            part: [false; 2],
            part_written: [false; 2],
            owes_end: [false; 2],
            passing_over: [false; 2],
            begun: Default::default(),
            attributes,
            compression: None,
        }
    }

    /// How many records could not be written.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Writes what was read from a stream, one record a line; an unfinished line is a part.
    ///
    /// Rotates between records: short lines are dwarfed by their heads, so that one chunk can be more than a
    /// whole file. Only a single record that is larger than the bound exceeds it.
    pub(crate) fn write(&mut self, stream: Stream, chunk: &[u8]) {
        if let Some(compression) = self.compression.take_if(|compression| compression.has_ended()) {
            compression.finish();
        }
        let stamp = timestamp();
        match self.config.form {
            LogForm::Cri => self.write_cri(&stamp, stream, chunk),
            LogForm::Json => self.write_json(&stamp, stream, chunk),
        }
        self.flush();
        // A record may be longer than what is usual.
        self.buffer.shrink_to(2 * BUFFER_BYTES);
    }

    fn write_cri(&mut self, stamp: &str, stream: Stream, chunk: &[u8]) {
        let head = CriHead::new(stamp, stream);
        let slot = usize::from(stream == Stream::Stderr);
        for line in lines(chunk) {
            let ends = line.ends_with(b"\n");
            if self.passing_over[slot] {
                self.passing_over[slot] = !ends;
                continue;
            }
            if self.buffer.is_empty() {
                self.add_ends(stamp);
            }
            let before = self.buffer.len();
            head.write(&mut self.buffer, line);
            self.part[slot] = !ends;
            self.added(before);
        }
    }

    fn write_json(&mut self, stamp: &str, stream: Stream, chunk: &[u8]) {
        let tail = JsonTail::new(stamp, stream, &self.attributes);
        let slot = usize::from(stream == Stream::Stderr);
        for line in lines(chunk) {
            let whole = line.ends_with(b"\n");
            if whole && self.begun[slot].is_empty() && line.len() <= LINE_BYTES {
                self.add_json(&tail, line);
                continue;
            }
            let mut begun = std::mem::take(&mut self.begun[slot]);
            begun.extend_from_slice(line);
            let mut rest = begun.as_slice();
            while rest.len() > LINE_BYTES {
                self.add_json(&tail, &rest[..LINE_BYTES]);
                rest = &rest[LINE_BYTES..];
            }
            match whole {
                true => self.add_json(&tail, rest),
                false => self.begun[slot] = rest.to_vec(),
            }
        }
    }

    fn add_json(&mut self, tail: &JsonTail, line: &[u8]) {
        let before = self.buffer.len();
        tail.write(&mut self.buffer, line);
        self.added(before);
    }

    /// Writes what was begun of lines: there will be no more of them.
    pub(crate) fn finish(&mut self) {
        let stamp = timestamp();
        for (slot, stream) in [Stream::Stdout, Stream::Stderr].into_iter().enumerate() {
            let begun = std::mem::take(&mut self.begun[slot]);
            if !begun.is_empty() {
                self.add_json(&JsonTail::new(&stamp, stream, &self.attributes), &begun);
            }
        }
        self.flush();
        // Nobody waits for that at the end of a container.
        if let Some(compression) = self.compression.take() {
            if compression.has_ended() { compression.finish() } else { compression.abandon() }
        }
    }

    /// A record was added to the buffer, which is written when it is full; where the file would become too large the
    /// record is the next one's first.
    fn added(&mut self, before: usize) {
        self.records += 1;
        let Ok(bytes) = self.open() else { return };
        let holds_others = bytes + before as u64 > 0;
        if holds_others && bytes + self.buffer.len() as u64 > self.config.bytes_max {
            let record = self.buffer.split_off(before);
            self.records -= 1;
            self.flush();
            self.rotate();
            self.buffer = record;
            self.records = 1;
        }
        if self.buffer.len() > BUFFER_BYTES {
            self.flush();
        }
    }

    /// Opens the newest file, which an earlier run may have begun; returns its size.
    fn open(&mut self) -> rustix::io::Result<u64> {
        if self.file.is_none() {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let mode = if self.config.form == LogForm::Json { 0o640 } else { 0o600 };
            let file = rustix::fs::open(&self.config.path, flags, Mode::from_raw_mode(mode))?;
            self.bytes = rustix::fs::fstat(&file)?.st_size as u64;
            self.file = Some(file);
        }
        Ok(self.bytes)
    }

    /// Writes the records in the buffer; those that do not fit on the disk are counted and gone, all of them: half a
    /// record would spoil the next one.
    fn flush(&mut self) {
        let records = std::mem::take(&mut self.records);
        if self.append().is_err() {
            self.dropped += records;
            if let Some(file) = &self.file {
                let _ = rustix::fs::ftruncate(file, self.bytes);
            }
            self.end_lines();
        } else {
            self.part_written = self.part;
            self.owes_end = [false; 2];
        }
        self.buffer.clear();
    }

    /// Records are missing: what stands in the file as a beginning is to have an end, and what has lost its beginning
    /// is no line.
    fn end_lines(&mut self) {
        for slot in 0..2 {
            self.passing_over[slot] |= std::mem::take(&mut self.part[slot]);
            self.owes_end[slot] = self.part_written[slot];
        }
    }

    fn add_ends(&mut self, stamp: &str) {
        for (slot, stream) in [Stream::Stdout, Stream::Stderr].into_iter().enumerate() {
            if self.owes_end[slot] {
                CriHead::new(stamp, stream).write(&mut self.buffer, b"\n");
            }
        }
    }

    fn append(&mut self) -> rustix::io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.open()?;
        let Some(file) = &self.file else { return Ok(()) };
        let mut rest = self.buffer.as_slice();
        while !rest.is_empty() {
            let count = rustix::io::retry_on_intr(|| rustix::io::write(file, rest))?;
            rest = &rest[count..];
        }
        self.bytes += self.buffer.len() as u64;
        Ok(())
    }

    /// Shifts `log` to `log.1` and so on; the oldest is overwritten.
    fn rotate(&mut self) {
        self.file = None;
        self.bytes = 0;
        if let Some(compression) = self.compression.take_if(|compression| compression.has_ended()) {
            compression.finish();
        }
        let path = self.config.path.clone();
        let last = self.config.files_max.saturating_sub(1);
        if last == 0 {
            let _ = rustix::fs::unlink(&path);
            return;
        }
        let oldest = numbered(&path, last);
        let _ = rustix::fs::unlink(compressed(&oldest));
        for number in (1..last).rev() {
            let (from, to) = (numbered(&path, number), numbered(&path, number + 1));
            let _ = rustix::fs::rename(compressed(&from), compressed(&to));
            let _ = rustix::fs::rename(from, to);
        }
        let _ = rustix::fs::rename(&path, numbered(&path, 1));
        match &mut self.compression {
            // It is slower than we are: what comes meanwhile stays as it is.
            Some(compression) => compression.shifted(),
            None if self.config.compress => self.compression = Compression::start(&path),
            None => {}
        }
    }
}

/// Parts what was printed behind the end of each line.
fn lines(chunk: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = chunk;
    std::iter::from_fn(move || {
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let (line, behind) = rest.split_at(end);
        rest = behind;
        (!line.is_empty()).then_some(line)
    })
}
