//! FROM: where a stage begins.

use super::flags::{Flags, Kind};
use crate::fault::Fault;
use crate::source::Span;
use crate::syntax::{Statement, Word};

/// `FROM --platform=… base AS name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    pub keyword: Word,
    /// An image, an earlier stage or `scratch`.
    pub base: Word,
    /// The word between base and name, as it was written.
    pub as_keyword: Option<Word>,
    /// The name as it was written.
    pub written_name: Option<Word>,
    pub platform: Option<Word>,
    pub span: Span,
    pub original: String,
    pub comments: Vec<String>,
}

impl From {
    /// The stage's name; names are equal in any case.
    pub fn name(&self) -> Option<String> {
        self.written_name.as_ref().map(|name| name.text.to_lowercase())
    }
}

pub(super) fn parse(statement: &Statement) -> Result<From, Fault> {
    let flags = Flags::parse(statement, &[("platform", Kind::Text)])?;
    let words = statement.arguments.split_blanks();
    let (base, as_keyword, written_name) = match &*words {
        [base] => (base, None, None),
        [base, keyword, name] if keyword.text.eq_ignore_ascii_case("as") => {
            check_name(name)?;
            (base, Some(keyword.clone()), Some(name.clone()))
        }
        _ => {
            return Err(Fault::new(statement.span, "FROM requires either one or three arguments")
                .hint("write `FROM image` or `FROM image AS name`"));
        }
    };
    Ok(From {
        keyword: statement.keyword.clone(),
        base: base.clone(),
        as_keyword,
        written_name,
        platform: flags.text("platform"),
        span: statement.span,
        original: statement.original.as_str().to_owned(),
        comments: statement.comments.clone(),
    })
}

fn check_name(name: &Word) -> Result<(), Fault> {
    let lower = name.text.to_lowercase();
    let fits = lower.starts_with(|c: char| c.is_ascii_lowercase())
        && lower
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'));
    if fits {
        return Ok(());
    }
    Err(Fault::new(name.span, format!("invalid name for build stage: `{}`", name.text))
        .hint("it begins with a letter and holds letters, digits, `-`, `_` and `.`"))
}
