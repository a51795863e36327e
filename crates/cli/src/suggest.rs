//! The nearest of some known words, for typing errors.

/// Returns the known word that is at most a third of its length away from what was typed; one
/// letter alone is near to nothing.
pub(crate) fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if typed.len() < 2 {
        return None;
    }
    let scored = known.into_iter().map(|word| (distance(typed, word), word));
    scored
        .filter(|(distance, word)| *distance * 3 <= word.len().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Counts the letters to insert, remove, replace or swap with their neighbour.
fn distance(left: &str, right: &str) -> usize {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let replaced = above[j] + usize::from(a != b);
            let mut best = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[right.len()]
}

#[cfg(test)]
#[test]
fn words() {
    let verbs = ["run", "rm", "ps", "images", "inspect"];
    for (typed, expected) in [
        ("rnu", Some("run")),
        ("image", Some("images")),
        ("inpsect", Some("inspect")),
        ("r", None),
        ("frobnicate", None),
        ("pss", Some("ps")),
    ] {
        assert_eq!(nearest(typed, verbs), expected, "{typed}");
    }
}
