//! The build cache as a table.

use engine::build::CacheRow;

use super::table::table;
use super::{Clock, human};

/// Lists steps.
pub(crate) fn build_cache(rows: &[CacheRow], clock: &Clock) -> String {
    let row = |row: &CacheRow| {
        vec![
            row.key.clone(),
            human::ellipsis(&row.title, 50),
            human::size(row.size, 4),
            clock.ago(row.last_used),
        ]
    };
    table(&["KEY", "STEP", "SIZE", "LAST USED"], &rows.iter().map(row).collect::<Vec<_>>())
}
