//! What `system check` has found.

use engine::system::{Check, DamageState};

use super::table::table;

/// Returns the text of `system check`.
pub fn check(check: &Check) -> String {
    if check.damages.is_empty() {
        return format!("{} blobs and {} layers are what their digests say\n", check.blobs, check.layers);
    }
    let rows = check.damages.iter().map(|damage| {
        let (state, remedy) = match damage.state {
            DamageState::Left => ("damaged", ""),
            DamageState::Repaired => ("repaired", ""),
            DamageState::Removed => ("removed", ": load or pull the image again"),
        };
        vec![
            damage.kind.to_owned(),
            damage.object.clone(),
            state.to_owned(),
            damage.images.join(", "),
            format!("{}{remedy}", damage.reason),
        ]
    });
    table(&["KIND", "OBJECT", "STATE", "OF", "REASON"], &rows.collect::<Vec<_>>())
}
