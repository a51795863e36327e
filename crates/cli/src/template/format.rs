//! Values as text: as Go prints them, and by the pattern of `printf`.

use serde_json::Value;

use super::{Error, Result};

/// Returns a value as Go's `%v` has it.
pub(super) fn show(value: &Value) -> String {
    match value {
        Value::Null => "<no value>".to_owned(),
        Value::Bool(yes) => yes.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" ")),
        Value::Object(items) => {
            let pairs = items.iter().map(|(key, value)| format!("{key}:{}", show(value)));
            format!("map[{}]", pairs.collect::<Vec<_>>().join(" "))
        }
    }
}

/// Returns a value for an error message: short, and a text in quotes.
pub(super) fn quoted(value: &Value) -> String {
    match value {
        Value::Null => "empty".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        other => other.to_string(),
    }
}

/// Fills values into a pattern: `%s %v %d %q %t %x %f %%` with width, precision, `-` and `0`.
pub(super) fn printf(pattern: &str, values: &[Value]) -> Result<String> {
    let mut out = String::new();
    let mut values = values.iter();
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let mut layout = String::new();
        while let Some(letter) = letters.next_if(|letter| matches!(letter, '-' | '+' | ' ' | '.' | '0'..='9'))
        {
            layout.push(letter);
        }
        match letters.next() {
            Some('%') => out.push('%'),
            Some(verb) => {
                let value = values.next().ok_or_else(|| Error::new(format!("`%{verb}` has no value")))?;
                out.push_str(&lay_out(&layout, &verb_of(verb, &layout, value)?));
            }
            None => return Err(Error::new("the pattern ends with `%`")),
        }
    }
    match values.next() {
        None => Ok(out),
        Some(_) => Err(Error::new(format!("`{pattern}` has fewer places than values"))),
    }
}

fn verb_of(verb: char, layout: &str, value: &Value) -> Result<String> {
    let precision = layout.split_once('.').map(|(_, digits)| digits.parse().unwrap_or(0));
    let cut = |text: String| match precision {
        Some(count) => text.chars().take(count).collect(),
        None => text,
    };
    match (verb, value) {
        ('v' | 's', value) => Ok(cut(show(value))),
        ('d', Value::Number(number)) if !number.is_f64() => Ok(number.to_string()),
        ('t', Value::Bool(yes)) => Ok(yes.to_string()),
        ('q', Value::String(_)) => Ok(value.to_string()),
        ('x', Value::Number(number)) if !number.is_f64() => {
            Ok(format!("{:x}", number.as_i64().unwrap_or_default()))
        }
        ('f', Value::Number(number)) => {
            Ok(format!("{:.*}", precision.unwrap_or(6), number.as_f64().unwrap_or_default()))
        }
        _ => Err(Error::new(format!("`%{verb}` does not fit {}", quoted(value)))),
    }
}

fn lay_out(layout: &str, text: &str) -> String {
    let flags = layout.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    let digits = layout[flags.len()..].split('.').next().unwrap_or_default();
    let width: usize = digits.parse().unwrap_or(0);
    match () {
        () if flags.contains('-') => format!("{text:<width$}"),
        () if digits.starts_with('0') => format!("{text:0>width$}"),
        () => format!("{text:>width$}"),
    }
}
