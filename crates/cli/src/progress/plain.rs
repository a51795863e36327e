//! Progress as lines on standard error, as BuildKit's `plain`.

use std::sync::Mutex;

use engine::build::{BuildEvent, Lines, Progress};

use super::Display;
use crate::output;

/// Prints lines as they come, or only if the build fails.
pub(crate) struct Plain {
    lines: Lines,
    withheld: Option<Mutex<String>>,
}

impl Plain {
    pub(crate) fn shown() -> Self {
        Self { lines: Lines::default(), withheld: None }
    }

    pub(crate) fn quiet() -> Self {
        Self { lines: Lines::default(), withheld: Some(Mutex::default()) }
    }
}

impl Progress for Plain {
    fn tell(&self, event: BuildEvent<'_>) {
        let line = self.lines.line(event);
        match (&self.withheld, event) {
            (Some(_), BuildEvent::Warning(_) | BuildEvent::Note(_)) | (None, _) => output::stderr(&line),
            (Some(withheld), _) => withheld.lock().expect("no holder panics").push_str(&line),
        }
    }
}

impl Display for Plain {
    fn end(&self, failed: bool) {
        if let (true, Some(withheld)) = (failed, &self.withheld) {
            output::stderr(&withheld.lock().expect("no holder panics"));
        }
    }
}
