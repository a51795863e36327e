//! Bounded log files of a container, one record a line, in one of two forms.
//!
//! ```text
//!   local      2026-11-23T23:34:45.123456789Z stdout F a whole line
//!              2026-11-23T23:34:45.123456789Z stderr P a part of one, which the next record of the stream continues
//!   json-file  {"log":"a whole line\\n","stream":"stdout","attrs":{"label":"value"},"time":"2026-11-23T23:34:45.123456789Z"}
//! ```
//! The first is that of the Kubernetes CRI, the second Docker's, so that their readers understand the files. The newest
//! file has no number, older ones are `NAME.1`, `NAME.2`, … or, compressed, `NAME.1.gz`; each stays below its bound,
//! unless one record alone exceeds it.

mod compress;
mod form;
mod writer;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::protocol::Stream;

pub use compress::{Archive, open_archive};
pub(crate) use writer::Writer;

/// Returns the name of an older file.
fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// Returns the name of a compressed file.
fn compressed(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".gz");
    PathBuf::from(name)
}

/// What tells one log file from another: inode and time of birth, of the original where it is compressed. The inode alone
/// is soon another file's, once the original is gone.
pub type Identity = (u64, u64);

/// Returns the identity of a file that is open.
pub fn identity(file: &File) -> Option<Identity> {
    use rustix::fs::{AtFlags, StatxFlags, statx};
    let facts = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::INO | StatxFlags::BTIME).ok()?;
    let born = facts.stx_btime;
    Some((facts.stx_ino, (born.tv_sec as u64).wrapping_mul(1_000_000_000) + u64::from(born.tv_nsec)))
}

/// One record of a log file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// RFC 3339 with nanoseconds.
    pub time: Cow<'a, str>,
    pub stream: Stream,
    /// Whether the line ends here.
    pub complete: bool,
    pub text: Cow<'a, [u8]>,
    /// Labels and variables that the driver was told to keep.
    pub attributes: BTreeMap<String, String>,
}

/// Docker's form.
#[derive(Deserialize)]
struct JsonRecord<'a> {
    #[serde(borrow, default)]
    log: Cow<'a, str>,
    #[serde(borrow, default)]
    stream: Cow<'a, str>,
    #[serde(default)]
    attrs: BTreeMap<String, String>,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

/// Parses one line of a log file, of either form.
pub fn parse(line: &[u8]) -> Option<Record<'_>> {
    if line.first() == Some(&b'{') {
        return parse_json(line);
    }
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let time = std::str::from_utf8(parts.next()?).ok()?;
    let stream = parse_stream(parts.next()?)?;
    let complete = match parts.next()? {
        b"F" => true,
        b"P" => false,
        _ => return None,
    };
    let attributes = BTreeMap::new();
    Some(Record { time: time.into(), stream, complete, text: parts.next()?.into(), attributes })
}

fn parse_stream(name: &[u8]) -> Option<Stream> {
    match name {
        b"stdout" => Some(Stream::Stdout),
        b"stderr" => Some(Stream::Stderr),
        _ => None,
    }
}

fn parse_json(line: &[u8]) -> Option<Record<'_>> {
    let JsonRecord { log, stream, attrs, time } = serde_json::from_slice(line).ok()?;
    let stream = parse_stream(stream.as_bytes())?;
    let complete = log.ends_with('\n');
    let text = match log {
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_suffix('\n').unwrap_or(text).as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.strip_suffix('\n').unwrap_or(&text).as_bytes().to_vec()),
    };
    Some(Record { time, stream, complete, text, attributes: attrs })
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
#[path = "log/log_tests.rs"]
mod tests;
