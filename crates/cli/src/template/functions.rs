//! The functions: Go's own that make sense for JSON, and Docker's additions.

use std::cmp::Ordering;

use serde_json::Value;

use super::eval::{Reading, truth};
use super::{Error, Result, escape, format};

/// Calls a function.
pub(super) fn call(name: &str, arguments: &[Value], reading: Reading) -> Result<Value> {
    if reading == Reading::Heads && KEEPS_HEADS.contains(&name) {
        return Ok(arguments.first().cloned().unwrap_or_default());
    }
    let text = |text: String| Ok(Value::String(text));
    match (name, arguments) {
        ("json", [value]) => text(value.to_string()),
        ("lower", [value]) => text(word(name, value)?.to_lowercase()),
        ("upper", [value]) => text(word(name, value)?.to_uppercase()),
        ("title", [value]) => text(title(word(name, value)?)),
        ("join", [list, between]) => text(join(list, word(name, between)?)?),
        ("split", [value, between]) => Ok(split(word(name, value)?, word(name, between)?)),
        ("pad", [value, before, after]) => {
            let blanks = |count: &Value| Ok::<_, Error>(" ".repeat(whole(name, count)?));
            Ok(Value::String(match word(name, value)? {
                "" => String::new(),
                word => format!("{}{word}{}", blanks(before)?, blanks(after)?),
            }))
        }
        ("truncate", [value, count]) => text(word(name, value)?.chars().take(whole(name, count)?).collect()),
        ("html", values) => text(escape::html(&print(values))),
        ("js", values) => text(escape::js(&print(values))),
        ("urlquery", values) => text(escape::url_query(&print(values))),
        ("print", values) => text(print(values)),
        ("println", values) => {
            text(format!("{}\n", values.iter().map(format::show).collect::<Vec<_>>().join(" ")))
        }
        ("printf", [pattern, values @ ..]) => text(format::printf(word(name, pattern)?, values)?),
        ("len", [value]) => length(value),
        ("index", [value, keys @ ..]) => keys.iter().try_fold(value.clone(), |value, key| index(&value, key)),
        ("slice", [value, bounds @ ..]) if bounds.len() <= 2 => slice(value, bounds),
        ("not", [value]) => Ok(Value::Bool(!truth(value))),
        ("eq", [first, others @ ..]) if !others.is_empty() => {
            for other in others {
                if compare(first, other)? == Ordering::Equal {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        }
        ("ne", [a, b]) => Ok(Value::Bool(compare(a, b)?.is_ne())),
        ("lt", [a, b]) => Ok(Value::Bool(compare(a, b)?.is_lt())),
        ("le", [a, b]) => Ok(Value::Bool(compare(a, b)?.is_le())),
        ("gt", [a, b]) => Ok(Value::Bool(compare(a, b)?.is_gt())),
        ("ge", [a, b]) => Ok(Value::Bool(compare(a, b)?.is_ge())),
        _ => {
            exists(name)?;
            Err(Error::new(format!("`{name}` does not take {} arguments", arguments.len())))
        }
    }
}

const KNOWN: [&str; 26] = [
    "and", "eq", "ge", "gt", "html", "index", "join", "js", "json", "le", "len", "lower", "lt", "ne", "not",
    "or", "pad", "print", "printf", "println", "slice", "split", "title", "truncate", "upper", "urlquery",
];

/// Functions that make of a value something else than its column is named for. Those that lay out are not among
/// them: heads are laid out with their columns.
const KEEPS_HEADS: [&str; 13] = [
    "html", "index", "join", "js", "json", "len", "lower", "slice", "split", "title", "truncate", "upper",
    "urlquery",
];

/// Whether there is a function of this name.
pub(super) fn exists(name: &str) -> Result<()> {
    match KNOWN.contains(&name) {
        true => Ok(()),
        false => Err(Error::new(format!("there is no function `{name}`")).hint(
            match crate::suggest::nearest(name, KNOWN) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("there are: {}", KNOWN.join(", ")),
            },
        )),
    }
}

fn word<'a>(function: &str, value: &'a Value) -> Result<&'a str> {
    value
        .as_str()
        .ok_or_else(|| Error::new(format!("`{function}` needs a text, not {}", format::quoted(value))))
}

fn whole(function: &str, value: &Value) -> Result<usize> {
    let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| {
        Error::new(format!("`{function}` needs a whole number, not {}", format::quoted(value)))
    })
}

fn title(text: &str) -> String {
    let mut starts = true;
    let letters = text.chars().flat_map(|letter| {
        let shown: Vec<char> = if starts { letter.to_uppercase().collect() } else { vec![letter] };
        starts = !(letter.is_alphanumeric() || letter == '_');
        shown
    });
    letters.collect()
}

fn join(list: &Value, between: &str) -> Result<String> {
    match list {
        Value::Array(items) => Ok(items.iter().map(format::show).collect::<Vec<_>>().join(between)),
        Value::Object(items) => {
            let mut texts: Vec<String> = items.values().map(format::show).collect();
            texts.sort_unstable();
            Ok(texts.join(between))
        }
        Value::Null => Ok(String::new()),
        other => Err(Error::new(format!("`join` needs a list, not {}", format::quoted(other)))),
    }
}

fn split(text: &str, between: &str) -> Value {
    match between {
        "" => text.chars().map(String::from).collect(),
        between => text.split(between).collect(),
    }
}

/// Blanks stand between neighbours of which neither is a text.
fn print(values: &[Value]) -> String {
    let mut out = String::new();
    for (at, value) in values.iter().enumerate() {
        if at > 0 && !value.is_string() && !values[at - 1].is_string() {
            out.push(' ');
        }
        out.push_str(&format::show(value));
    }
    out
}

fn length(value: &Value) -> Result<Value> {
    match value {
        Value::String(text) => Ok(text.len().into()),
        Value::Array(items) => Ok(items.len().into()),
        Value::Object(items) => Ok(items.len().into()),
        // Where Docker has an empty list or map, JSON may have nothing.
        Value::Null => Ok(0.into()),
        other => {
            Err(Error::new(format!("`len` needs a text, a list or an object, not {}", format::quoted(other))))
        }
    }
}

/// A key that is absent gives the empty text, as in a Go map of texts.
fn index(value: &Value, key: &Value) -> Result<Value> {
    match (value, key) {
        (Value::Object(items), Value::String(key)) => {
            Ok(items.get(key).cloned().unwrap_or_else(|| Value::String(String::new())))
        }
        (Value::Array(items), Value::Number(_)) => {
            let at = whole("index", key)?;
            let item = items.get(at).cloned();
            item.ok_or_else(|| Error::new(format!("index {at} is beyond a list of {}", items.len())))
        }
        // As in Go, a text is a list of bytes.
        (Value::String(text), Value::Number(_)) => {
            let at = whole("index", key)?;
            let byte = text.as_bytes().get(at).copied();
            let byte = byte.map(Value::from);
            byte.ok_or_else(|| Error::new(format!("index {at} is beyond a text of {} bytes", text.len())))
        }
        (Value::Null, Value::String(_)) => Ok(Value::String(String::new())),
        _ => Err(Error::new(format!(
            "`index` cannot take {} of {}",
            format::quoted(key),
            format::quoted(value)
        ))),
    }
}

fn slice(value: &Value, bounds: &[Value]) -> Result<Value> {
    let bound = |at: usize, otherwise: usize| match bounds.get(at) {
        Some(bound) => whole("slice", bound),
        None => Ok(otherwise),
    };
    let range = |length: usize| Ok::<_, Error>(bound(0, 0)?..bound(1, length)?);
    let beyond = || Error::new("`slice` goes beyond the end");
    match value {
        Value::String(text) => Ok(text.get(range(text.len())?).ok_or_else(beyond)?.into()),
        Value::Array(items) => Ok(items.get(range(items.len())?).ok_or_else(beyond)?.into()),
        other => Err(Error::new(format!("`slice` needs a text or a list, not {}", format::quoted(other)))),
    }
}

fn compare(a: &Value, b: &Value) -> Result<Ordering> {
    let order = match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i128(), b.as_i128()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64().partial_cmp(&b.as_f64()),
        },
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        (Value::Null, _) | (_, Value::Null) => Some(Ordering::Less),
        _ => None,
    };
    order.ok_or_else(|| {
        Error::new(format!("{} and {} cannot be compared", format::quoted(a), format::quoted(b)))
    })
}
