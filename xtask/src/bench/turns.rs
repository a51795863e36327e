//! Contestants that take turns, so that a busy minute hits all of them.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use super::sample::Sample;

/// Starts of one contestant in a row.
const BLOCK: usize = 5;

/// Times one start.
pub(super) type Once<'a> = Box<dyn FnMut() -> Result<Duration> + 'a>;

/// Lets each contestant have its turns and returns a row for each.
pub(super) fn take_turns(
    iterations: usize,
    contestants: &mut [(impl AsRef<str>, Once<'_>)],
) -> Result<Vec<(String, Sample)>> {
    let mut durations = vec![Vec::new(); contestants.len()];
    for round in 0..=iterations.div_ceil(BLOCK) {
        for ((name, once), durations) in contestants.iter_mut().zip(&mut durations) {
            // What the one before left to the kernel (docker takes long to tidy up) must not be
            // charged to the next: it rests, makes one start for nothing, and then is measured.
            thread::sleep(Duration::from_millis(50));
            once().with_context(|| name.as_ref().to_owned())?;
            for _ in 0..BLOCK {
                let took = once().with_context(|| name.as_ref().to_owned())?;
                // While the first round runs, dockerd is still busy with having started.
                if round > 0 {
                    durations.push(took);
                }
            }
        }
    }
    let rows = contestants.iter().zip(durations);
    Ok(rows.filter_map(|((name, _), taken)| Some((name.as_ref().to_owned(), Sample::new(taken)?))).collect())
}
