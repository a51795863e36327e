//! Text → statements: parser directives, comments, continuation lines and heredocs. What the words of a statement mean
//! is not known here.

mod directive;
mod flag;
mod heredoc;
mod line;
mod text;
mod word;

pub use directive::Directives;
pub(crate) use flag::RawFlag;
pub use heredoc::Heredoc;
pub(crate) use heredoc::parse_marker;
pub(crate) use text::Text;
pub use word::Word;
pub(crate) use word::{JsonList, json_list, words_of};

use crate::fault::{Fault, Warning};
use crate::rule::Rule;
use crate::source::{Source, Span};
use line::{Lines, Logical};

/// One instruction as text: `ONBUILD RUN --mount=… apt-get update`.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) keyword: Word,
    pub(crate) flags: Vec<RawFlag>,
    /// What follows the flags, without blanks around.
    pub(crate) arguments: Text,
    /// The whole logical line, as it goes into history and ONBUILD triggers.
    pub(crate) original: Text,
    /// From the keyword to the end of the last heredoc.
    pub(crate) span: Span,
    /// The comment lines right above, without `#`.
    pub(crate) comments: Vec<String>,
    pub(crate) heredocs: Vec<Heredoc>,
}

/// Everything that the lines of a Dockerfile say.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) directives: Directives,
    pub(crate) statements: Vec<Statement>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) warnings: Vec<Warning>,
}

/// Splits a Dockerfile into statements. Faults do not end it: what follows is looked at too.
pub(crate) fn parse_script(source: &Source) -> Script {
    let mut script = Script::default();
    let mut lines = Lines::new(source.text());
    script.directives = match directive::parse(&mut lines) {
        Ok(directives) => directives,
        Err(fault) => {
            script.faults.push(fault);
            return script;
        }
    };
    let escape = script.directives.escape;
    while let Some(logical) = lines.next_logical(escape) {
        if let Some(span) = logical.empty_continuation {
            let text = "Empty continuation line".to_owned();
            script.warnings.push(Warning { rule: Rule::NoEmptyContinuation, span, text });
        }
        let mut statement = Statement::of_line(logical, escape);
        if let Err(fault) = read_heredocs(&mut statement, &mut lines) {
            script.faults.push(fault);
        }
        script.statements.push(statement);
    }
    if script.statements.is_empty() && script.faults.is_empty() {
        script.faults.push(
            Fault::new(Span::default(), "the Dockerfile holds no instructions")
                .hint("the shortest one is `FROM` with the name of an image"),
        );
    }
    script
}

impl Statement {
    /// Splits a logical line into keyword, flags and arguments.
    fn of_line(logical: Logical, escape: char) -> Self {
        let original = logical.text.trim();
        let end = original.as_str().find(is_blank).unwrap_or(original.as_str().len());
        let keyword = original.slice(0..end);
        let rest = original.slice(end..original.as_str().len()).trim_start();
        let (flags, arguments) = flag::split_flags(&rest, escape);
        Self {
            keyword: Word { text: keyword.as_str().to_owned(), span: keyword.span() },
            flags,
            arguments: arguments.trim(),
            span: original.span(),
            original,
            comments: logical.comments,
            heredocs: Vec::new(),
        }
    }

    /// The statement behind `ONBUILD`.
    pub(crate) fn inner(&self, escape: char) -> Self {
        let logical =
            Logical { text: self.arguments.clone(), comments: Vec::new(), empty_continuation: None };
        Self { heredocs: self.heredocs.clone(), ..Self::of_line(logical, escape) }
    }

    /// The keyword in upper case.
    pub(crate) fn name(&self) -> String {
        self.keyword.text.to_ascii_uppercase()
    }
}

/// The blanks that separate the parts of a line.
pub(crate) fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\u{b}' | '\u{c}')
}

/// Whether heredocs may follow: BuildKit reads them after RUN, COPY and ADD alone, and behind ONBUILD.
fn takes_heredocs(statement: &Statement) -> bool {
    let first = statement.arguments.as_str().split(is_blank).next().unwrap_or_default();
    let takes = |name: &str| matches!(&*name.to_ascii_uppercase(), "RUN" | "COPY" | "ADD");
    takes(&statement.keyword.text) || (statement.name() == "ONBUILD" && takes(first))
}

fn read_heredocs(statement: &mut Statement, lines: &mut Lines<'_>) -> Result<(), Fault> {
    if !takes_heredocs(statement) || !statement.original.as_str().contains("<<") {
        return Ok(());
    }
    for marker in heredoc::markers_in(statement.original.as_str()) {
        let Some(content) = lines.heredoc(&marker) else {
            return Err(Fault::new(statement.span, format!("heredoc `<<{}` is not closed", marker.name))
                .hint(format!("end it with a line that holds `{}` and nothing else", marker.name)));
        };
        statement.heredocs.push(Heredoc { content, ..marker });
        statement.span.end = lines.end_of_last().max(statement.span.end);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
