//! Where a tag led.

use engine::image::TagEntry;

use super::table::table;
use super::{Clock, short_id};

/// Returns the text of `image tag --history`, the latest first.
pub fn tag_history(entries: &[TagEntry], clock: &Clock) -> String {
    let cells = |(number, entry): (usize, &TagEntry)| {
        let state = match (number, entry.present) {
            (0, _) => "current",
            (_, true) => "",
            (_, false) => "removed",
        };
        vec![
            short_id(&entry.image.to_string(), true).to_owned(),
            entry.manifest.to_string(),
            clock.ago(entry.since),
            state.to_owned(),
        ]
    };
    table(
        &["IMAGE ID", "DIGEST", "SINCE", "STATE"],
        &entries.iter().enumerate().map(cells).collect::<Vec<_>>(),
    )
}
