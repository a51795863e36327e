//! Lists in the form that `--format` asks for.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::table::table;
use crate::grammar::format::Format;
use crate::template::{self, Template};

/// The heads of the columns that a list has, by field.
pub(crate) type Heads = [(&'static str, &'static str)];

/// A row as templates see it.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    fields: Value,
    /// What `.Label "name"` looks in, where the things listed have labels.
    labels: Option<&'a BTreeMap<String, String>>,
}

impl<'a> Row<'a> {
    /// A row of fields alone.
    pub(crate) fn new(fields: Value) -> Self {
        Self { fields, labels: None }
    }

    /// A row of a thing that has labels.
    pub(crate) fn labelled(fields: Value, labels: &'a BTreeMap<String, String>) -> Self {
        Self { fields, labels: Some(labels) }
    }

    fn render(&self, template: &Template) -> template::Result<String> {
        template.render_with(&self.fields, &|name, arguments| match (name, arguments, self.labels) {
            ("Label", [Value::String(name)], Some(labels)) => {
                Some(labels.get(name).cloned().unwrap_or_default().into())
            }
            _ => None,
        })
    }
}

/// Returns labels in one line: `a=b,c=`.
pub(crate) fn labels(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// Returns rows as JSON or by a template; nothing where the list's own table is asked for.
pub(crate) fn formatted<'a>(
    format: &Format,
    heads: &Heads,
    rows: impl Iterator<Item = Row<'a>>,
) -> template::Result<Option<String>> {
    match format {
        Format::Text | Format::Raw => Ok(None),
        Format::Json => Ok(Some(rows.map(|row| format!("{}\n", row.fields)).collect())),
        Format::Template(template) => {
            let lines = rows.map(|row| Ok(row.render(template)? + "\n"));
            lines.collect::<template::Result<String>>().map(Some)
        }
        Format::Table(template) => columns(template, heads, rows).map(Some),
    }
}

/// Returns a line for each field, and a blank one behind each row that has several.
pub(crate) fn raw(rows: impl Iterator<Item = Value>, fields: &[(&str, &str)]) -> String {
    let end = if fields.len() > 1 { "\n" } else { "" };
    let line = |row: &Value, (label, field): &(&str, &str)| {
        let value = row[*field].as_str().unwrap_or_default();
        format!("{label}:{}{value}\n", if value.is_empty() { "" } else { " " })
    };
    let lines = |row: Value| fields.iter().map(|field| line(&row, field)).collect::<String>() + end;
    rows.map(lines).collect()
}

fn columns<'a>(
    template: &Template,
    heads: &Heads,
    rows: impl Iterator<Item = Row<'a>>,
) -> template::Result<String> {
    let heads: Map<String, Value> =
        heads.iter().map(|(field, head)| ((*field).to_owned(), (*head).into())).collect();
    let mut lines = vec![template.render_heads(&Value::Object(heads), &head_of_call)?];
    for row in rows {
        lines.push(row.render(template)?);
    }
    let cells = |line: &str| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
    let mut rows: Vec<Vec<String>> = lines.iter().flat_map(|lines| lines.split('\n')).map(cells).collect();
    let head = rows.remove(0);
    Ok(table(&head.iter().map(String::as_str).collect::<Vec<_>>(), &rows))
}

/// The head of `.Label "org.example.some-name"` is `some name`, as Docker's.
fn head_of_call(_: &str, arguments: &[Value]) -> Option<Value> {
    let name = arguments.first()?.as_str()?;
    let last = name.rsplit('.').next().unwrap_or(name);
    Some(last.replace(['-', '_'], " ").into())
}
