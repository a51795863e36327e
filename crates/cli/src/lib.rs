//! The command line: arguments → engine requests, results → text. It knows Docker's words; the engine does not.

mod caller;
mod commands;
mod configuration;
mod error;
mod execute;
mod global;
mod grammar;
mod help;
mod options;
mod output;
mod parse;
pub mod print;
mod progress;
pub mod reference;
mod runtime;
mod suggest;
pub mod template;
mod text;
mod verb;

use std::ffi::OsString;
use std::process::ExitCode;

pub use caller::{Caller, Process};
pub use commands::{Command, ImageCommand, NetworkCommand, RegistryCommand, VolumeCommand};
pub use error::{BAD_USAGE, Exit, Failure};
pub use execute::execute;
pub use global::Global;
pub use grammar::format::Format;
pub use output::{stderr, stdout};
pub use parse::{Parsed, parse};
pub use runtime::run_runtime;

/// Parses the arguments (without the program's name), lets `execute` carry the command out and
/// returns its exit code; help, version and every failure are printed here.
pub fn run(args: &[OsString], execute: impl FnOnce(Parsed) -> Result<u8, Failure>) -> ExitCode {
    let failure = match parse(args, &Process) {
        Ok(parsed) => match execute(parsed) {
            Ok(code) => return ExitCode::from(code),
            Err(failure) => failure,
        },
        Err(Exit::Fail(failure)) => failure,
        Err(Exit::Print(text)) => match stdout(&text) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => {
                Failure::new(1, format!("cannot write to standard output: {}", text::io_error(&error)))
            }
        },
    };
    stderr(&failure.render());
    ExitCode::from(failure.code)
}

#[cfg(test)]
mod tests;
