//! Go's text templates as far as users of `--format` write them: fields, functions, pipes,
//! variables, `if`, `with`, `range`. Pure: JSON in, text out. Named templates are not read.
//!
//! Written here because the crates that read this language are no longer kept. JSON does not
//! tell a Go structure from a map, so a whole object prints as `map[…]`, whichever Docker has there.

mod eval;
mod format;
mod functions;
mod lex;
mod parse;
#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::Value;

use eval::{Evaluation, Reading};
use parse::Node;

/// A template that has been read.
#[derive(Clone, PartialEq)]
pub struct Template {
    source: String,
    nodes: Vec<Node>,
}

/// Why a template does not read, or does not fit the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Error {
    text: String,
    hint: Option<String>,
}

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), hint: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// What to do now, where there is something.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// Answers a field that is called with arguments, such as `.Label "name"`.
pub type Method<'a> = &'a dyn Fn(&str, &[Value]) -> Option<Value>;

impl Template {
    /// Reads a template.
    pub fn parse(source: &str) -> Result<Self> {
        Ok(Self { source: source.to_owned(), nodes: parse::parse(lex::pieces(source)?)? })
    }

    /// Whether the text speaks of a field, or of whole objects.
    pub(crate) fn mentions(&self, field: &str) -> bool {
        self.source.contains(&format!(".{field}")) || self.source.contains("json .}}")
    }

    /// Fills in a value whose fields take no arguments.
    pub fn render(&self, value: &Value) -> Result<String> {
        self.render_with(value, &|_, _| None)
    }

    /// Fills in a value.
    pub fn render_with(&self, value: &Value, method: Method<'_>) -> Result<String> {
        self.evaluate(value, method, Reading::Values)
    }

    /// Fills in column heads: functions that change texts leave heads as they are.
    pub fn render_heads(&self, heads: &Value, method: Method<'_>) -> Result<String> {
        self.evaluate(heads, method, Reading::Heads)
    }

    fn evaluate(&self, value: &Value, method: Method<'_>, reading: Reading) -> Result<String> {
        let text = Evaluation::new(value, method, reading).run(&self.nodes);
        text.map_err(|error| Error { text: format!("template `{}`: {}", self.source, error.text), ..error })
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({:?})", self.source)
    }
}
