//! `build`, and its cache.

use std::io::{Read, Write};

use engine::Engine;
use engine::build::{self, BuildStatus, Built, Surroundings};
use engine::request::{BuildOutput, BuildRequest};

use super::session::{Heard, Session};
use super::{confirmed, each, failure, registries, show, show_formatted, show_objects};
use crate::commands::{BuildView, CacheCommand, HistoryCommand};
use crate::error::Failure;
use crate::global::Global;
use crate::grammar::build::ProgressKind;
use crate::output;
use crate::print::{self, Clock};
use crate::progress;

pub(super) fn build(
    engine: &Engine,
    global: &Global,
    request: &BuildRequest,
    view: BuildView,
) -> Result<u8, Failure> {
    let session = Session::new(Heard::All).map_err(|error| Failure::from_error(&error, 1))?;
    let terminal = session.terminal();
    let progress = progress::display(view.progress);
    let quiet = view.progress == ProgressKind::Quiet;
    let built = registries::with_supply(engine, global, quiet, |supply| {
        let mut surroundings = Surroundings {
            stdin: &mut std::io::stdin(),
            stdout: &mut output::Raw,
            interrupt: terminal.signals,
            progress: &*progress,
            supply,
        };
        build::build(engine, request, &mut surroundings)
    });
    progress.end(built.is_err());
    let built = built.map_err(|error| {
        // Docker's own code for a build that fails is 1, whatever the step's was.
        Failure { code: if error.code() == Some(130) { 130 } else { 1 }, ..failure(&error, 1) }
    })?;
    match built {
        Built::Image(id) if matches!(request.output, BuildOutput::Archive(_, None)) => {
            output::stderr(&format!("{id}\n"));
            Ok(0)
        }
        Built::Image(id) => show(&format!("{id}\n")),
        Built::Files => Ok(0),
        Built::Checked(0) => {
            output::stderr("Check complete, no warnings found.\n");
            Ok(0)
        }
        Built::Checked(number) => {
            let plural = if number == 1 { "warning has" } else { "warnings have" };
            output::stderr(&format!("Check complete, {number} {plural} been found!\n"));
            Ok(1)
        }
    }
}

pub(super) fn cache(engine: &Engine, command: CacheCommand, clock: &Clock) -> Result<u8, Failure> {
    match command {
        CacheCommand::List => {
            let rows = build::list_cache(engine).map_err(|error| failure(&error, 1))?;
            show(&print::build_cache(&rows, clock))
        }
        CacheCommand::Export { id, output } => {
            let exported = build::export_cache_mount(engine, &id, output.as_deref(), &mut output::Raw);
            exported.map(|()| 0).map_err(|error| failure(&error, 1))
        }
        CacheCommand::Import { id, input } => {
            let source: Box<dyn Read + Send> = match &input {
                None => Box::new(std::io::stdin()),
                Some(path) => Box::new(std::fs::File::open(path).map_err(|error| {
                    let why = crate::text::io_error(&error);
                    Failure::new(1, format!("cannot open `{}`: {why}", path.display()))
                })?),
            };
            build::import_cache_mount(engine, &id, source).map(|()| 0).map_err(|error| failure(&error, 1))
        }
        CacheCommand::Prune { ask, .. } if ask && !confirmed("This will remove the build cache.") => {
            Err(Failure::new(1, "build cache prune has been cancelled"))
        }
        CacheCommand::Prune { unused_for, .. } => {
            let pruned = build::prune_cache(engine, unused_for).map_err(|error| failure(&error, 1))?;
            let mut text = print::build_cache(&pruned.rows, clock);
            text.push_str(&format!("Total reclaimed space: {}\n", print::human::size(pruned.bytes, 4)));
            show(&text)
        }
    }
}

pub(super) fn history(engine: &Engine, command: HistoryCommand, clock: &Clock) -> Result<u8, Failure> {
    let failed = |error: engine::Error| failure(&error, 1);
    match command {
        HistoryCommand::List(view) => {
            let builds = build::history::list(engine).map_err(failed)?;
            show_formatted(print::builds(&builds, &view, clock))
        }
        HistoryCommand::Inspect(builds, format) => {
            let objects = builds.into_iter().map(|name| {
                let object = build::history::inspect(engine, &name);
                (name, object)
            });
            show_objects(objects.collect(), &format)
        }
        HistoryCommand::Logs(name) => {
            let log = build::history::logs(engine, &name).map_err(failed)?;
            // What a reader that went away has not read is nobody's fault.
            let _ = output::Raw.write_all(&log);
            Ok(0)
        }
        HistoryCommand::Remove { builds, all } => {
            let listed = if all { build::history::list(engine).map_err(failed)? } else { Vec::new() };
            let ended = listed.into_iter().filter(|build| build.status != BuildStatus::Running);
            let names = builds.into_iter().chain(ended.map(|build| build.id));
            let removed = names.map(|name| {
                let removed = build::history::remove_one(engine, &name);
                (name, removed)
            });
            each(removed.collect())
        }
    }
}
