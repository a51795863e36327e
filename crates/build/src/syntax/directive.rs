//! Parser directives: `# escape=`, `# syntax=` and `# check=` on the first lines.

use super::Word;
use super::line::Lines;
use crate::fault::Fault;
use crate::source::Span;

/// What the first lines say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    /// The character that continues a line and takes the meaning from the next character.
    pub escape: char,
    /// The image of the language: `docker/dockerfile:1`.
    pub syntax: Option<Word>,
    /// Options of the build checks.
    pub check: Option<Word>,
}

impl Default for Directives {
    fn default() -> Self {
        Self { escape: '\\', syntax: None, check: None }
    }
}

/// Reads directives until a line is none.
pub(super) fn parse(lines: &mut Lines<'_>) -> Result<Directives, Fault> {
    let mut directives = Directives::default();
    let mut escape = None;
    while let Some(line) = lines.peek() {
        let Some((key, value)) = split(line.text) else { break };
        let start = line.at + (value.as_ptr() as usize - line.text.as_ptr() as usize);
        let word = Word { text: value.to_owned(), span: Span::new(start, start + value.len()) };
        let slot = match &*key.to_ascii_lowercase() {
            "syntax" => &mut directives.syntax,
            "check" => &mut directives.check,
            "escape" => &mut escape,
            _ => break,
        };
        lines.next_physical();
        let span = word.span;
        if slot.replace(word).is_some() {
            let key = key.to_ascii_lowercase();
            return Err(Fault::new(span, format!("only one `{key}` parser directive can be used")));
        }
    }
    if let Some(word) = escape {
        directives.escape = match &*word.text {
            "\\" => '\\',
            "`" => '`',
            other => {
                let text = format!("invalid escape character `{other}`");
                return Err(Fault::new(word.span, text).hint("it can be `\\` or `` ` ``"));
            }
        };
    }
    Ok(directives)
}

/// `# key = value`
fn split(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.trim_start().strip_prefix('#')?.trim_start().split_once('=')?;
    let key = key.trim_end();
    let is_name =
        key.starts_with(|c: char| c.is_ascii_alphabetic()) && key.chars().all(|c| c.is_ascii_alphanumeric());
    let value = value.trim();
    (is_name && !value.is_empty()).then_some((key, value))
}
