//! What a build tells while it goes on.

use std::time::Duration;

use ::build::key::KeyBuilder;

/// Hears of a build; several steps tell at once.
pub trait Progress: Sync {
    fn tell(&self, event: BuildEvent<'_>);
}

/// Names a step among all steps of a build, as programs that read progress want it: by a digest.
pub fn step_digest(number: usize, title: &str) -> String {
    KeyBuilder::new("step").number(number as u64).text(title).finish().to_string()
}

/// One thing that has happened. Steps are numbered as they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildEvent<'a> {
    /// A build check, shown in its place.
    Warning(&'a str),
    /// Something else that the user should know.
    Note(&'a str),
    Begun {
        number: usize,
        title: &'a str,
    },
    /// The result was there.
    Cached {
        number: usize,
    },
    /// A line that the command printed, without its end.
    Output {
        number: usize,
        line: &'a [u8],
    },
    Done {
        number: usize,
        took: Duration,
    },
    Failed {
        number: usize,
        text: &'a str,
    },
}
