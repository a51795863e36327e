//! `--format`: a table, JSON, or a Go template.

use super::{Invalid, Read};
use crate::template::{self, Template};

/// Exit codes of Docker for templates that do not read: of rows, and of an object.
const BAD_ROWS: u8 = 1;
const BAD_OBJECT: u8 = 64;

/// How a result is printed.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, or one for the whole.
    Json,
    /// A line for each field that the list's own table would show.
    Raw,
    /// A template, filled in for each row.
    Template(Template),
    /// A template whose fields, divided by tabs, become the columns of a table.
    Table(Template),
}

impl Format {
    /// Whether a template asks for a field; one that prints whole objects asks for all.
    pub(crate) fn mentions(&self, field: &str) -> bool {
        match self {
            Self::Text | Self::Json | Self::Raw => false,
            Self::Template(template) | Self::Table(template) => template.mentions(field),
        }
    }
}

/// Reads the format of a list that knows `raw`.
pub(crate) fn parse_list(text: &str) -> Read<Format> {
    if text == "raw" { Ok(Format::Raw) } else { parse_rows(text) }
}

/// Reads the format of rows; `\t` and `\n` written out are a tab and a line end.
pub(crate) fn parse_rows(text: &str) -> Read<Format> {
    let columns = text.strip_prefix("table").map(|columns| {
        let columns = columns.trim_start_matches("\\t").trim();
        (columns, columns.len() < text.len() - "table".len())
    });
    match columns {
        Some(("", _)) => Ok(Format::Text),
        Some((columns, true)) => {
            let from = text.trim_end().len() - columns.len();
            read(Template::parse_row(text.trim_end(), from), BAD_ROWS).map(Format::Table)
        }
        _ => match text {
            "" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            "raw" => Err(Invalid::new("the format `raw` is not supported").hint("use --format json")),
            text => read(Template::parse_row(text, 0), BAD_ROWS).map(Format::Template),
        },
    }
}

/// Reads the format of a single object.
pub(crate) fn parse(text: &str) -> Read<Format> {
    match text {
        "" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        text => read(Template::parse(text), BAD_OBJECT).map(Format::Template),
    }
}

fn read(template: template::Result<Template>, code: u8) -> Read<Template> {
    template.map_err(|error| {
        let invalid = Invalid::new(error.to_string()).code(code);
        error.hint_text().map_or(invalid.clone(), |hint| invalid.hint(hint))
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
        ("{{.ID}}\\t{{.Names}}", "Template(Template(\"{{.ID}}\\\\t{{.Names}}\"))"),
        ("table {{.ID}}", "Table(Template(\"table {{.ID}}\"))"),
        ("tables", "Template(Template(\"tables\"))"),
        ("raw", "!the format `raw` is not supported"),
        ("{{.ID", "!column 1: an action is not closed"),
        ("table  {{.ID}}{{nope}}", "!column 17: there is no function `nope`"),
        ("table\\t{{.ID}}", "Table(Template(\"table\\\\t{{.ID}}\"))"),
    ];
    super::check::table(parse_rows, &rows);
    let rows = [("", "Text"), ("json", "Json"), ("a\\tb", "Template(Template(\"a\\\\tb\"))")];
    super::check::table(parse, &rows);
}
