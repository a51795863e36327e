//! Where the time of a start goes: marks collected on request, printed by the face.

use std::time::Instant;

/// Collects named marks.
#[derive(Debug)]
pub struct Timing {
    begin: Instant,
    marks: Vec<(&'static str, Instant)>,
    enabled: bool,
}

impl Timing {
    /// Begins; a disabled one costs nothing.
    pub fn new(enabled: bool) -> Self {
        Self { begin: Instant::now(), marks: Vec::new(), enabled }
    }

    /// Marks the end of a phase.
    pub fn mark(&mut self, phase: &'static str) {
        if self.enabled {
            self.marks.push((phase, Instant::now()));
        }
    }

    /// Returns each phase with its microseconds.
    pub fn phases(&self) -> Vec<(&'static str, u128)> {
        let mut last = self.begin;
        let mut phases = Vec::with_capacity(self.marks.len());
        for (phase, at) in &self.marks {
            phases.push((*phase, at.duration_since(last).as_micros()));
            last = *at;
        }
        phases
    }
}
