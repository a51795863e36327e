//! Lists in the form that `--format` asks for.

use serde_json::{Map, Value};

use super::table::table;
use crate::grammar::format::Format;
use crate::template::{self, Method, Template};

/// The heads of the columns that a list has, by field.
pub(crate) type Heads = [(&'static str, &'static str)];

/// Returns rows as JSON or by a template; nothing where the list's own table is asked for.
pub(crate) fn formatted<'a>(
    format: &Format,
    heads: &Heads,
    rows: impl Iterator<Item = (Value, Method<'a>)>,
) -> template::Result<Option<String>> {
    match format {
        Format::Text => Ok(None),
        Format::Json => Ok(Some(rows.map(|(row, _)| format!("{row}\n")).collect())),
        Format::Template(template) => {
            let lines = rows.map(|(row, method)| Ok(template.render(&row, method)? + "\n"));
            lines.collect::<template::Result<String>>().map(Some)
        }
        Format::Table(template) => columns(template, heads, rows).map(Some),
    }
}

fn columns<'a>(
    template: &Template,
    heads: &Heads,
    rows: impl Iterator<Item = (Value, Method<'a>)>,
) -> template::Result<String> {
    let heads: Map<String, Value> =
        heads.iter().map(|(field, head)| ((*field).to_owned(), (*head).into())).collect();
    let head = template.render_heads(&Value::Object(heads), &head_of_call)?;
    let cells = |line: String| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
    let rows = rows.map(|(row, method)| template.render(&row, method).map(cells));
    let rows = rows.collect::<template::Result<Vec<_>>>()?;
    let head = cells(head);
    Ok(table(&head.iter().map(String::as_str).collect::<Vec<_>>(), &rows))
}

/// The head of `.Label "org.example.some-name"` is `some name`, as Docker's.
fn head_of_call(_: &str, arguments: &[Value]) -> Option<Value> {
    let name = arguments.first()?.as_str()?;
    let last = name.rsplit('.').next().unwrap_or(name);
    Some(last.replace(['-', '_'], " ").into())
}

/// For lists whose rows have no field that takes arguments.
pub(crate) fn no_method(_: &str, _: &[Value]) -> Option<Value> {
    None
}
