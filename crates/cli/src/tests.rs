//! Whole command lines: what they mean, and how bad ones are refused.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use engine::request::{ConsoleSize, Limit, PidMode, StopRequest, Streams, Tail, Timeout};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::{Caller, Command, Exit, Global, Parsed, parse};

mod meaning;
mod refusals;

/// Surroundings that are the same on every machine.
#[derive(Default)]
pub(crate) struct Fixed {
    pub(crate) vars: BTreeMap<&'static str, &'static str>,
    files: BTreeMap<&'static str, &'static str>,
    terminal: bool,
}

impl Caller for Fixed {
    fn var(&self, name: &str) -> Option<String> {
        self.vars.get(name).map(|value| (*value).to_owned())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = path.to_str().and_then(|path| self.files.get(path));
        file.map(|text| text.as_bytes().to_vec()).ok_or_else(|| io::Error::from_raw_os_error(2))
    }

    fn exists(&self, path: &Path) -> bool {
        self.read(path).is_ok()
    }

    fn cwd(&self) -> io::Result<PathBuf> {
        Ok(PathBuf::from("/home/me"))
    }

    fn console(&self) -> Option<ConsoleSize> {
        self.terminal.then_some(ConsoleSize { height: 24, width: 80 })
    }

    fn stdin_is_terminal(&self) -> bool {
        self.terminal
    }

    fn now(&self) -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn zone(&self) -> TimeZone {
        TimeZone::UTC
    }
}

fn surroundings() -> Fixed {
    Fixed {
        vars: BTreeMap::from([("HOME", "/root")]),
        files: BTreeMap::from([
            ("vars.env", "# comment\nA=1\nHOME\nGONE\n  B= two \n"),
            ("labels", "x=1\ny\n"),
            ("bad.env", "A B=1\n"),
            ("profile.json", "{\"defaultAction\": \"SCMP_ACT_ALLOW\"}"),
            ("broken.json", "{"),
            ("taken.cid", ""),
        ]),
        terminal: true,
    }
}

/// Splits a line at blanks; a word in single quotes may hold some.
fn split(line: &str) -> Vec<OsString> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        match index % 2 {
            0 => words.extend(part.split_whitespace().map(OsString::from)),
            _ => words.push(OsString::from(part)),
        }
    }
    words
}

fn read(line: &str) -> Result<Parsed, Exit> {
    parse(&split(line), &surroundings())
}

#[track_caller]
fn command(line: &str) -> Command {
    match read(line) {
        Ok(parsed) => parsed.command,
        Err(exit) => panic!("{line}: {exit}"),
    }
}

/// Returns what a line means as far as it differs from a plainer one.
#[track_caller]
fn difference(plain: &str, line: &str) -> String {
    let plain = format!("{:#?}", command(plain));
    let plain: Vec<&str> = plain.lines().collect();
    let full = format!("{:#?}", command(line));
    full.lines().filter(|line| !plain.contains(line)).map(|line| format!("{line}\n")).collect()
}

/// Returns exit code and text of a line that must fail.
#[track_caller]
fn failure(line: &str) -> String {
    match read(line) {
        Err(Exit::Fail(failure)) => format!("{} {}", failure.code, failure.render()),
        other => panic!("{line}: {other:?}"),
    }
}
