//! `--format`: a table, JSON, or a Go template.

use super::{Invalid, Read};
use crate::template::Template;

/// How a result is printed.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, or one for the whole.
    Json,
    /// A template, filled in for each row.
    Template(Template),
    /// A template whose fields, divided by tabs, become the columns of a table.
    Table(Template),
}

impl Format {
    /// Whether a template asks for a field; one that prints whole objects asks for all.
    pub(crate) fn mentions(&self, field: &str) -> bool {
        match self {
            Self::Text | Self::Json => false,
            Self::Template(template) | Self::Table(template) => template.mentions(field),
        }
    }
}

/// Reads the format of a list; `\t` and `\n` written out are a tab and a line end.
pub(crate) fn parse_rows(text: &str) -> Read<Format> {
    let text = text.replace("\\t", "\t").replace("\\n", "\n");
    match text.strip_prefix("table").map(str::trim) {
        Some("") => Ok(Format::Text),
        Some(columns) if text.starts_with("table ") || text.starts_with("table\t") => {
            template(columns).map(Format::Table)
        }
        _ if text == "raw" => {
            Err(Invalid::new("the format `raw` is not supported").hint("use --format json"))
        }
        _ => parse(&text),
    }
}

/// Reads the format of a single object.
pub(crate) fn parse(text: &str) -> Read<Format> {
    match text {
        "" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        text => template(text).map(Format::Template),
    }
}

fn template(text: &str) -> Read<Template> {
    Template::parse(text).map_err(|error| match error.hint_text() {
        Some(hint) => Invalid::new(error.to_string()).hint(hint),
        None => Invalid::new(error.to_string()),
    })
}

#[cfg(test)]
#[test]
fn formats() {
    let rows = [
        ("", "Text"),
        ("table", "Text"),
        ("json", "Json"),
        ("{{json .}}", "Template(Template(\"{{json .}}\"))"),
        ("{{.ID}}\\t{{.Names}}", "Template(Template(\"{{.ID}}\\t{{.Names}}\"))"),
        ("table {{.ID}}", "Table(Template(\"{{.ID}}\"))"),
        ("tables", "Template(Template(\"tables\"))"),
        ("raw", "!the format `raw` is not supported"),
        ("{{.ID", "!an action is not closed"),
    ];
    super::check::table(parse_rows, &rows);
    let rows = [("", "Text"), ("json", "Json"), ("a\\tb", "Template(Template(\"a\\\\tb\"))")];
    super::check::table(parse, &rows);
}
