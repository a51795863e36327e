//! Carries commands out: requests → engine → text and exit code.

use std::io::Read;

use engine::bundle::request::UpdateRequest;
use engine::bundle::{self, Runtime};
use engine::container::Terminal;

use super::FAILED;
use super::global::Global;
use super::log::Log;
use super::print;
use super::verb::{Changes, Command};
use crate::error::Failure;
use crate::execute::{Heard, Session};
use crate::output;

/// The exit code of an exec that did not come to run its process, as runc's.
const NOT_EXECUTED: u8 = 255;

/// Larger documents are no resources.
const RESOURCES_BYTES_MAX: u64 = 1 << 20;

/// Carries a command out and returns the exit code.
pub(super) fn execute(global: &Global, command: &Command, log: &Log) -> Result<u8, Failure> {
    let failed = |error| failure(&error, FAILED);
    let runtime = Runtime::new(global.root.clone()).map_err(failed)?;
    let done = match command {
        Command::Create(request) => bundle::create(&runtime, request).map(|warnings| warn(log, &warnings)),
        Command::Start(id) => bundle::start(&runtime, id),
        Command::Kill(request) => bundle::kill(&runtime, request),
        Command::Delete { id, force } => {
            bundle::delete(&runtime, id, *force).map(|warnings| warn(log, &warnings))
        }
        Command::Pause(id) => bundle::pause(&runtime, id),
        Command::Resume(id) => bundle::resume(&runtime, id),
        Command::Update { id, from } => {
            let (name, document) = changes(from)?;
            let request = UpdateRequest { id: id.clone(), document, name };
            bundle::update(&runtime, &request).map(|warnings| warn(log, &warnings))
        }
        Command::Events(request) => {
            // Whoever reads them may have heard enough.
            let mut tell = |event: &bundle::Event| output::stdout(&print::line(event)).is_ok();
            bundle::events(&runtime, request, &mut tell)
        }
        Command::Spec { bundle, rootless } => {
            let owner = || (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
            bundle::write_spec(bundle, rootless.then(owner))
        }
        Command::Run(request) => {
            let session = Session::new(if request.detach { Heard::Nothing } else { Heard::All })
                .map_err(|error| Failure::from_error(&error, FAILED))?;
            let warn = |text: &str| log.warn(text);
            let terminal = Terminal { warn: &warn, ..session.terminal() };
            return bundle::run(&runtime, request, &terminal).map(|code| code.unwrap_or(0)).map_err(failed);
        }
        Command::Exec(request) => {
            let session = Session::new(if request.detach { Heard::Nothing } else { Heard::All })
                .map_err(|error| Failure::from_error(&error, NOT_EXECUTED))?;
            let warn = |text: &str| log.warn(text);
            let terminal = Terminal { warn: &warn, ..session.terminal() };
            let code = bundle::exec(&runtime, request, &terminal).map(|code| code.unwrap_or(0));
            return code.map_err(|error| failure(&error, NOT_EXECUTED).before("exec failed: "));
        }
        Command::State(id) => {
            let state = bundle::state(&runtime, id).map_err(failed)?;
            return show(&print::state(&state));
        }
        Command::List { json, quiet } => {
            let states = bundle::list(&runtime).map_err(failed)?;
            return show(&print::list(&states, *json, *quiet));
        }
        Command::Ps { id, json } => {
            let rows = bundle::ps(&runtime, id).map_err(failed)?;
            return show(&print::ps(&rows, *json, &jiff::tz::TimeZone::system()));
        }
        Command::Features => return show(&print::pretty(&bundle::features())),
    };
    done.map(|()| 0).map_err(failed)
}

/// Reads what an update is to change, and says what to call it.
fn changes(from: &Changes) -> Result<(String, Vec<u8>), Failure> {
    match from {
        Changes::Options(document) => Ok(("the options".to_owned(), document.to_string().into_bytes())),
        Changes::File(path) => {
            let bytes = sys::fs::read(path).map_err(|error| Failure::from_error(&error, FAILED))?;
            Ok((path.display().to_string(), bytes))
        }
        Changes::Stdin => {
            let mut bytes = Vec::new();
            std::io::stdin()
                .take(RESOURCES_BYTES_MAX)
                .read_to_end(&mut bytes)
                .map_err(|error| Failure::from_error(&error, FAILED))?;
            Ok(("standard input".to_owned(), bytes))
        }
    }
}

fn warn(log: &Log, warnings: &[String]) {
    warnings.iter().for_each(|warning| log.warn(warning));
}

fn failure(error: &engine::Error, code: u8) -> Failure {
    let failure = Failure::from_error(error, code);
    match error.remedy() {
        Some(remedy) => failure.hint(remedy),
        None => failure,
    }
}

fn show(text: &str) -> Result<u8, Failure> {
    output::stdout(text).map(|()| 0).map_err(|error| Failure::from_error(&error, FAILED))
}
