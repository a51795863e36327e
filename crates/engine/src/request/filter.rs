//! What lists and prunings choose by, where it is the same for all things.

use std::collections::BTreeMap;

/// A label that must be there, perhaps with this value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelFilter {
    pub key: String,
    pub value: Option<String>,
}

impl LabelFilter {
    /// Whether the label is one of these.
    pub(crate) fn is_among(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        value.is_some_and(|value| self.value.as_ref().is_none_or(|wanted| wanted == value))
    }
}

/// `container prune`, `network prune`: which of those that are not in use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PruneRequest {
    /// Those that have all of these go.
    pub labels: Vec<LabelFilter>,
    /// Those that have one of these stay.
    pub unlike: Vec<LabelFilter>,
    /// Only those made before this time, in seconds since 1970.
    pub until: Option<i64>,
}

impl PruneRequest {
    /// Whether a thing is meant that has these labels and was made at this time, in nanoseconds since 1970.
    pub(crate) fn means(&self, labels: &BTreeMap<String, String>, created: i64) -> bool {
        self.labels.iter().all(|label| label.is_among(labels))
            && !self.unlike.iter().any(|label| label.is_among(labels))
            && self.until.is_none_or(|until| created / 1_000_000_000 < until)
    }
}

#[cfg(test)]
#[test]
fn what_a_pruning_means() {
    let label =
        |key: &str, value: Option<&str>| LabelFilter { key: key.to_owned(), value: value.map(str::to_owned) };
    let labels = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), String::new())]);
    let means = |wanted: &[LabelFilter], unwanted: &[LabelFilter], until| {
        PruneRequest { labels: wanted.to_vec(), unlike: unwanted.to_vec(), until }
            .means(&labels, 5_999_999_999)
    };
    assert!(means(&[], &[], None));
    assert!(means(&[label("a", Some("1")), label("b", None)], &[label("c", None)], Some(6)));
    assert!(!means(&[label("a", Some("2"))], &[], None));
    assert!(!means(&[label("a", None), label("c", None)], &[], None));
    assert!(!means(&[], &[label("c", None), label("b", Some(""))], None));
    assert!(!means(&[], &[], Some(5)));
}
