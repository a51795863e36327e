//! Go's text templates as users of `--format` write them: fields, functions, pipes, variables, `if`, `with`,
//! `range`, named templates. Pure: JSON in, text out.
//!
//! Written here because the crates that read this language are no longer kept. JSON does not tell a Go
//! structure from a map, so a whole object prints as `map[…]`, whichever Docker has there; and where Go prints
//! a remark about a value that does not fit (`%!d(string=x)`), this is an error.

mod escape;
mod eval;
mod format;
mod functions;
mod lex;
mod literal;
mod mention;
mod parse;
#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::Value;

use eval::{Evaluation, Reading};
use lex::Escapes;
use parse::Tree;

/// A template that has been read.
#[derive(Clone, PartialEq)]
pub struct Template {
    source: String,
    tree: Tree,
}

/// Why a template does not read, or does not fit the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Error {
    text: String,
    hint: Option<String>,
    /// Where in the template, in bytes.
    at: Option<usize>,
}

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), hint: None, at: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Says where, unless that is known already.
    fn at(self, at: usize) -> Self {
        Self { at: self.at.or(Some(at)), ..self }
    }

    /// What to do now, where there is something.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Puts the place in front, counted from one as in an editor.
    fn in_source(self, source: &str) -> Self {
        let Some(before) = self.at.and_then(|at| source.get(..at)) else { return self };
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let place = match source.contains('\n') {
            true => format!("line {line}, column {column}"),
            false => format!("column {column}"),
        };
        Self { text: format!("{place}: {}", self.text), ..self }
    }
}

/// Answers a field that is called with arguments, such as `.Label "name"`.
pub type Method<'a> = &'a dyn Fn(&str, &[Value]) -> Option<Value>;

impl Template {
    /// Reads a template for one object.
    pub fn parse(source: &str) -> Result<Self> {
        Self::read(source, 0, Escapes::Kept)
    }

    /// Reads a template for rows, where `\t` and `\n` written out are a tab and a line end. What it says begins behind
    /// as many bytes as `from` says; places in errors are those of the whole.
    pub(crate) fn parse_row(source: &str, from: usize) -> Result<Self> {
        Self::read(source, from, Escapes::Read)
    }

    fn read(source: &str, from: usize, escapes: Escapes) -> Result<Self> {
        let tree = lex::pieces(source, from, escapes).and_then(parse::parse);
        Ok(Self { source: source.to_owned(), tree: tree.map_err(|error| error.in_source(source))? })
    }

    /// Whether a field of the value is asked for, or the value as a whole.
    pub(crate) fn mentions(&self, field: &str) -> bool {
        mention::mentions(&self.tree, field)
    }

    /// Whether this is `{{json .}}`.
    pub(crate) fn is_json(&self) -> bool {
        mention::is_json(&self.tree)
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
        Evaluation::new(&self.tree, value, method, reading).run().map_err(|error| {
            let error = error.in_source(&self.source);
            let comma = if error.at.is_some() { ", " } else { ": " };
            Error { text: format!("template `{}`{comma}{}", self.source, error.text), ..error }
        })
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({:?})", self.source)
    }
}
