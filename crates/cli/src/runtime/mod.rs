//! `coracle runtime`: the command line of an OCI runtime, with runc's words and exit codes.
//!
//! A face of its own beside Docker's: it shares the way results are printed and nothing of the verbs.

mod arguments;
mod execute;
mod global;
mod log;
mod print;
mod verb;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::caller::{Caller, Process};
use crate::error::Exit;
use crate::output;
use crate::text;

use log::Log;

/// The exit code of every failure but that of `exec`, as runc's.
const FAILED: u8 = 1;

/// Parses the arguments (without the program's name), carries the command out and returns its exit code.
pub fn run_runtime(args: &[OsString]) -> ExitCode {
    let (global, words) = match global::parse(args, &Process) {
        Ok(parsed) => parsed,
        Err(exit) => return finish(exit, &Log::default()),
    };
    let log = match Log::open(&global) {
        Ok(log) => log,
        Err(failure) => return finish(Exit::Fail(failure), &Log::default()),
    };
    log.debug(&format!("coracle runtime {}", words.join(" ")));
    match verb::parse(&words, &Process).and_then(|command| Ok(execute::execute(&global, &command, &log)?)) {
        Ok(code) => ExitCode::from(code),
        Err(exit) => finish(exit, &log),
    }
}

fn finish(exit: Exit, log: &Log) -> ExitCode {
    match exit {
        Exit::Fail(failure) => {
            log.error(&failure);
            ExitCode::from(failure.code)
        }
        Exit::Print(text) => match output::stdout(&text) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                output::stderr(&format!(
                    "error: cannot write to standard output: {}\n",
                    text::io_error(&error)
                ));
                ExitCode::from(FAILED)
            }
        },
    }
}

/// Returns a path as the engine wants it.
fn absolute(path: &std::path::Path, caller: &dyn Caller) -> Result<std::path::PathBuf, crate::Failure> {
    let cwd = || {
        caller.cwd().map_err(|error| format!("cannot find the working directory: {}", text::io_error(&error)))
    };
    match path.is_absolute() {
        true => Ok(path.to_owned()),
        false => Ok(cwd().map_err(|text| crate::Failure::new(FAILED, text))?.join(path)),
    }
}

#[cfg(test)]
mod tests;
