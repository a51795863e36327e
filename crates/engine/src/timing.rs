//! Where the time of a start goes: marks collected on request, printed by the face.

use supervisor::status::monotonic;

/// Collects named marks, on the clock that caller and supervisor share.
#[derive(Debug)]
pub struct Timing {
    begin: i64,
    marks: Vec<(&'static str, i64)>,
    enabled: bool,
}

impl Timing {
    /// Begins; a disabled one costs nothing.
    pub fn new(enabled: bool) -> Self {
        Self { begin: monotonic(), marks: Vec::new(), enabled }
    }

    /// Whether anybody wants to know.
    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Marks the end of a phase.
    pub fn mark(&mut self, phase: &'static str) {
        if self.enabled {
            self.marks.push((phase, monotonic()));
        }
    }

    /// Adds the ends of phases that others have seen.
    pub(crate) fn extend(&mut self, marks: impl Iterator<Item = (&'static str, i64)>) {
        self.marks.extend(marks.filter(|_| self.enabled));
    }

    /// Returns each phase with its microseconds.
    pub fn phases(&self) -> Vec<(&'static str, i64)> {
        let ends = self.marks.iter().map(|(_, end)| *end);
        let begins = std::iter::once(self.begin).chain(ends);
        self.marks.iter().zip(begins).map(|((phase, end), begin)| (*phase, (end - begin) / 1000)).collect()
    }
}
