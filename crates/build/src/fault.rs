//! What is wrong with a Dockerfile, shown as compilers do.

use std::fmt::Write;

use crate::rule::Rule;
use crate::source::{Source, Span};

/// Characters of a source line that are shown; longer lines are cut around the place.
const SHOWN_MAX: usize = 120;

/// Something that keeps a Dockerfile from being built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub span: Span,
    pub text: String,
    pub hint: Option<String>,
}

/// Something in a Dockerfile that is legal and not advisable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub rule: Rule,
    pub span: Span,
    pub text: String,
}

impl Fault {
    pub fn new(span: Span, text: impl Into<String>) -> Self {
        Self { span, text: text.into(), hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the text, the place, the line with a caret and the hint.
    pub fn render(&self, source: &Source) -> String {
        let mut shown = format!("{}\n{}", self.text, excerpt(source, self.span));
        if let Some(hint) = &self.hint {
            let _ = write!(shown, "\nhint: {hint}");
        }
        shown
    }
}

impl Warning {
    /// Returns the text with its rule, the place and the line with a caret.
    pub fn render(&self, source: &Source) -> String {
        format!("{}: {}\n{}", self.rule.name(), self.text, excerpt(source, self.span))
    }
}

/// Returns every fault, one below the other; the word `error` before all but the first, which the face adds.
pub(crate) fn render_all(faults: &[Fault], source: &Source) -> String {
    let rendered: Vec<String> = faults.iter().map(|fault| fault.render(source)).collect();
    rendered.join("\nerror: ")
}

fn excerpt(source: &Source, span: Span) -> String {
    let place = source.place(span.start);
    let line = source.line_around(span.start);
    let start = span.start.clamp(line.start, line.end);
    let end = span.end.clamp(start, line.end);
    let text = source.text()[line.clone()].trim_end();
    let before = source.text()[line.start..start].chars().count();
    let width = source.text()[start..end].trim_end().chars().count().max(1);
    let (shown, before) = window(text, before);
    let shown_length = shown.chars().count();
    // Tabs stay, so that the caret stands below its character in any terminal.
    let padding: String = shown.chars().take(before).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let carets = "^".repeat(width.min(shown_length.saturating_sub(before).max(1)));
    let number = place.line.to_string();
    let margin = " ".repeat(number.len());
    format!(
        "{margin}--> {}:{}:{}\n{margin} |\n{number} | {shown}\n{margin} | {padding}{carets}",
        source.name(),
        place.line,
        place.column
    )
}

/// Cuts a long line around a character; returns what is shown, and where the character stands in it.
fn window(text: &str, at: usize) -> (String, usize) {
    let length = text.chars().count();
    if length <= SHOWN_MAX {
        return (text.to_owned(), at);
    }
    let first = at.saturating_sub(SHOWN_MAX / 3).min(length - SHOWN_MAX);
    (text.chars().skip(first).take(SHOWN_MAX).collect(), at - first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_shows_its_line() {
        let source = Source::new("Dockerfile", "FROM a\n\tRUNN x\n");
        let at = source.text().find("RUNN").expect("it is there");
        let fault =
            Fault::new(Span::new(at, at + 4), "unknown instruction `RUNN`").hint("did you mean `RUN`?");
        insta::assert_snapshot!(fault.render(&source), @r"
        unknown instruction `RUNN`
         --> Dockerfile:2:2
          |
        2 | 	RUNN x
          | 	^^^^
        hint: did you mean `RUN`?
        ");
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let source = Source::new("f", format!("{}x{}", "a".repeat(500), "b".repeat(500)));
        let shown = Fault::new(Span::new(500, 501), "x").render(&source);
        let lines: Vec<&str> = shown.lines().collect();
        let caret = lines[4].find('^').expect("a caret");
        assert_eq!(lines[3].chars().nth(caret), Some('x'));
        assert!(lines[3].len() < 130, "{shown}");
    }

    #[test]
    fn a_place_past_the_end_is_shown_too() {
        let shown = Fault::new(Span::new(99, 120), "unfinished").render(&Source::new("f", ""));
        assert!(shown.contains("f:1:1"), "{shown}");
    }
}
