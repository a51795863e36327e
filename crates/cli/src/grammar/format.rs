//! `--format`: a table or JSON. Go templates are not read yet, and say so.

use super::{Invalid, Read};

/// How a result is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, or one for the whole.
    Json,
}

/// Reads the value of `--format`.
pub(crate) fn parse(text: &str) -> Read<Format> {
    let inner = text.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    let words: Option<Vec<&str>> = inner.map(|inner| inner.split_whitespace().collect());
    match (text.trim(), words.as_deref()) {
        ("" | "table", _) => Ok(Format::Text),
        ("json", _) | (_, Some(["json", "."])) => Ok(Format::Json),
        _ => Err(Invalid::new(format!("template `{text}`: Go templates are not supported yet"))
            .hint("use --format json and a JSON tool")),
    }
}

#[cfg(test)]
#[test]
fn formats() {
    let rows = [
        ("", "Text"),
        ("table", "Text"),
        ("json", "Json"),
        ("{{json .}}", "Json"),
        ("{{ json . }}", "Json"),
        ("{{.ID}}", "!template `{{.ID}}`: Go templates are not supported yet"),
        ("table {{.ID}}", "!template `table {{.ID}}`: Go templates are not supported yet"),
    ];
    super::check::table(parse, &rows);
}
