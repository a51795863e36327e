//! `build`, and its cache.

use std::sync::Mutex;
use std::time::Instant;

use engine::Engine;
use engine::build::{self, BuildEvent, Built, Progress, Surroundings};
use engine::request::{BuildOutput, BuildRequest};

use super::session::{Heard, Session};
use super::{confirmed, failure, show};
use crate::commands::{BuildView, CacheCommand};
use crate::error::Failure;
use crate::output;
use crate::print::{self, Clock};

pub(super) fn build(engine: &Engine, request: &BuildRequest, view: BuildView) -> Result<u8, Failure> {
    let session = Session::new(Heard::All).map_err(|error| Failure::from_error(&error, 1))?;
    let terminal = session.terminal();
    let progress = Plain::new(view.quiet);
    let mut surroundings = Surroundings {
        stdin: &mut std::io::stdin(),
        stdout: &mut output::Raw,
        interrupt: terminal.signals,
        progress: &progress,
    };
    let built = build::build(engine, request, &mut surroundings).map_err(|error| {
        // Docker's own code for a build that fails is 1, whatever the step's was.
        if view.quiet {
            progress.replay();
        }
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

/// Progress as lines on standard error, as BuildKit's `plain`.
struct Plain {
    began: Mutex<std::collections::BTreeMap<usize, Instant>>,
    /// Lines that are shown only if the build fails.
    withheld: Option<Mutex<String>>,
}

impl Plain {
    fn new(quiet: bool) -> Self {
        Self { began: Mutex::default(), withheld: quiet.then(Mutex::default) }
    }

    fn show(&self, text: &str) {
        match &self.withheld {
            Some(withheld) => withheld.lock().expect("no holder panics").push_str(text),
            None => output::stderr(text),
        }
    }

    fn replay(&self) {
        if let Some(withheld) = &self.withheld {
            output::stderr(&withheld.lock().expect("no holder panics"));
        }
    }
}

impl Progress for Plain {
    fn tell(&self, event: BuildEvent<'_>) {
        match event {
            BuildEvent::Warning(text) => output::stderr(&format!("warning: {text}\n")),
            BuildEvent::Note(text) => output::stderr(&format!("warning: {text}\n")),
            BuildEvent::Begun { number, title } => {
                self.began.lock().expect("no holder panics").insert(number, Instant::now());
                self.show(&format!("#{number} {title}\n"));
            }
            BuildEvent::Cached { number } => self.show(&format!("#{number} CACHED\n")),
            BuildEvent::Output { number, line } => {
                let began = self.began.lock().expect("no holder panics").get(&number).copied();
                let seconds = began.map_or(0.0, |began| began.elapsed().as_secs_f64());
                self.show(&format!("#{number} {seconds:.3} {}\n", String::from_utf8_lossy(line)));
            }
            BuildEvent::Done { number, took } => {
                self.show(&format!("#{number} DONE {:.1}s\n", took.as_secs_f64()));
            }
            BuildEvent::Failed { number, text } => self.show(&format!("#{number} ERROR: {text}\n")),
        }
    }
}
