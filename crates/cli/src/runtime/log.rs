//! Where a runtime's messages go: standard error, and the file of `--log` in the form its callers read.

use std::fs::{File, OpenOptions};
use std::io::Write;

use super::FAILED;
use super::global::Global;
use crate::error::Failure;
use crate::output;
use crate::text;

/// The log of one command.
#[derive(Debug, Default)]
pub(super) struct Log {
    file: Option<File>,
    json: bool,
    debug: bool,
}

impl Log {
    /// Opens the file that was asked for.
    pub(super) fn open(global: &Global) -> Result<Self, Failure> {
        let open = |path: &std::path::PathBuf| {
            OpenOptions::new().append(true).create(true).open(path).map_err(|error| {
                let text = format!("cannot open log file `{}`: {}", path.display(), text::io_error(&error));
                Failure::new(FAILED, text)
            })
        };
        let file = global.log.as_ref().map(open).transpose()?;
        Ok(Self { file, json: global.json, debug: global.debug })
    }

    /// Tells a failure to the caller and to the log.
    pub(super) fn error(&self, failure: &Failure) {
        let logged = self.line("error", &failure.text);
        match self.file {
            // With a log of its own the form is for programs, and standard error for people.
            None if self.json => output::stderr(&logged),
            None => output::stderr(&failure.render()),
            Some(_) => {
                self.append(&logged);
                output::stderr(&failure.render());
            }
        }
    }

    /// Tells of something that is weaker than asked for. Standard error may be the container's own.
    pub(super) fn warn(&self, text: &str) {
        match self.file {
            Some(_) => self.append(&self.line("warning", text)),
            None if self.json => output::stderr(&self.line("warning", text)),
            None => output::stderr(&format!("warning: {text}\n")),
        }
    }

    /// Tells what is done, where that is wanted.
    pub(super) fn debug(&self, text: &str) {
        if self.debug {
            match self.file {
                Some(_) => self.append(&self.line("debug", text)),
                None => output::stderr(&self.line("debug", text)),
            }
        }
    }

    fn append(&self, line: &str) {
        if let Some(mut file) = self.file.as_ref() {
            // There is nobody to tell where that fails.
            let _ = file.write_all(line.as_bytes());
        }
    }

    /// The fields and forms of runc's log, which containerd and conmon read.
    fn line(&self, level: &str, msg: &str) -> String {
        let time = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
        match self.json {
            true => {
                format!("{}\n", serde_json::json!({ "level": level, "msg": msg, "time": time.to_string() }))
            }
            false => format!("time=\"{time}\" level={level} msg={msg:?}\n"),
        }
    }
}
