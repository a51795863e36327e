//! What an instruction leaves in the image's history, in the words of Docker's builders.

/// One entry without its time, which the solution knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    pub created_by: String,
}

impl HistoryEntry {
    pub(super) fn new(created_by: impl Into<String>) -> Self {
        Self { created_by: created_by.into() }
    }
}

/// A list as Go prints it with `%q`: `["a" "b c"]`.
pub(super) fn quoted_list(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("[{}]", words.join(" "))
}

/// A list as Go prints it with `%v`: `[a b c]`.
pub(super) fn plain_list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.into_iter().collect();
    format!("[{}]", words.join(" "))
}

fn quoted(word: &str) -> String {
    let mut quoted = "\"".to_owned();
    for letter in word.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            letter if letter.is_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(letter))),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}
