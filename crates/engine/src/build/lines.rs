//! Progress as lines of text, as BuildKit's `plain`: what a terminal shows, and what the history keeps.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use super::progress::BuildEvent;

/// Knows when each step began.
#[derive(Debug, Default)]
pub struct Lines {
    began: Mutex<BTreeMap<usize, Instant>>,
}

impl Lines {
    /// Returns an event as a line with its end.
    pub fn line(&self, event: BuildEvent<'_>) -> String {
        match event {
            BuildEvent::Warning(text) | BuildEvent::Note(text) => format!("warning: {text}\n"),
            BuildEvent::Begun { number, title } => {
                self.began().insert(number, Instant::now());
                format!("#{number} {title}\n")
            }
            BuildEvent::Cached { number } => format!("#{number} CACHED\n"),
            BuildEvent::Output { number, line } => {
                let began = self.began().get(&number).copied();
                let seconds = began.map_or(0.0, |began| began.elapsed().as_secs_f64());
                format!("#{number} {seconds:.3} {}\n", String::from_utf8_lossy(line))
            }
            BuildEvent::Done { number, took } => format!("#{number} DONE {:.1}s\n", took.as_secs_f64()),
            BuildEvent::Failed { number, text } => format!("#{number} ERROR: {text}\n"),
        }
    }

    fn began(&self) -> std::sync::MutexGuard<'_, BTreeMap<usize, Instant>> {
        self.began.lock().expect("no holder panics")
    }
}
