//! Heredocs: `<<EOF`, `<<-EOF`, `<<"EOF"`, `3<<EOF`.

use crate::expand::{Lexer, NoVariables};

/// A heredoc: its marker, and what stands between the marker's line and the line that closes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heredoc {
    pub name: String,
    /// Whether variables are put into it: no part of its name is quoted.
    pub expand: bool,
    /// Whether tabs at the start of its lines go: `<<-`.
    pub chomp: bool,
    /// The descriptor that a shell would give it.
    pub descriptor: u32,
    pub content: String,
}

/// Parses a word that is a heredoc marker.
pub(crate) fn parse_marker(word: &str) -> Option<Heredoc> {
    let digits = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
    let (descriptor, rest) = word.split_at(digits);
    let rest = rest.strip_prefix("<<")?;
    let (chomp, rest) = rest.strip_prefix('-').map_or((false, rest), |rest| (true, rest));
    let name = rest.trim_start();
    if name.is_empty() || name.contains('<') {
        return None;
    }
    let lexer = Lexer { keep_unset: true, ..Lexer::new('\\') };
    let plain = lexer.words(name, &NoVariables).ok()?;
    let raw = Lexer { raw_quotes: true, ..lexer }.words(name, &NoVariables).ok()?;
    let ([plain], [raw]) = (&*plain, &*raw) else { return None };
    let quotes = |word: &str| word.matches(['\'', '"']).count();
    Some(Heredoc {
        name: plain.clone(),
        expand: quotes(plain) == quotes(raw),
        chomp,
        descriptor: descriptor.parse().unwrap_or(0),
        content: String::new(),
    })
}

/// Finds the markers in a line, in order. Where the line is no shell, there are none.
pub(super) fn markers_in(line: &str) -> Vec<Heredoc> {
    let lexer = Lexer { raw_quotes: true, raw_escapes: true, keep_unset: true, ..Lexer::new('\\') };
    let words = lexer.words(line, &NoVariables).unwrap_or_default();
    words.iter().filter_map(|word| parse_marker(word)).collect()
}

/// Takes the tabs off the start of every line.
pub(super) fn chomp(content: &str) -> String {
    content.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
}
