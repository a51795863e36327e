//! As much of Rust's lexical grammar as the checks need: the code without comments and literals,
//! line for line, and where test modules stand. Not a parser.

use std::ops::Range;

/// A Rust file in the form that checks read.
pub struct Source {
    pub path: String,
    pub text: String,
    /// The text with comments and the insides of literals blanked; same length in lines.
    pub code: String,
    /// Lines (from 0) of modules and functions under `#[cfg(test)]`.
    pub test_lines: Vec<Range<usize>>,
}

impl Source {
    /// Lexes a file.
    pub fn new(path: &str, text: &str) -> Self {
        let code = blank(text);
        let test_lines = test_lines(&code);
        Self { path: path.to_owned(), text: text.to_owned(), code, test_lines }
    }

    /// Whether the file is only compiled for tests.
    pub fn is_test_file(&self) -> bool {
        let in_tests = self.path.contains("/tests/") || self.path.starts_with("tests/tests/");
        in_tests || self.path.ends_with("/tests.rs") || self.path.ends_with("_tests.rs")
    }

    /// Whether the line (from 0) is compiled for tests only.
    pub fn is_test_line(&self, line: usize) -> bool {
        self.is_test_file() || self.test_lines.iter().any(|range| range.contains(&line))
    }

    /// The lines of the code, numbered from 0.
    pub fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate()
    }
}

/// Whether the word stands in the line, not as a part of a longer one.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !part(before) && !part(after)
    })
}

/// Replaces comments and the insides of literals by spaces, keeping line ends.
fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let (end, hidden) = token(&chars, at);
        for &c in &chars[at..end] {
            out.push(if hidden && c != '\n' { ' ' } else { c });
        }
        at = end;
    }
    out
}

/// Returns where the token at `at` ends, and whether it is a comment or a literal.
fn token(chars: &[char], at: usize) -> (usize, bool) {
    let next = |n: usize| chars.get(at + n).copied();
    match chars[at] {
        '/' if next(1) == Some('/') => (find(chars, at, |rest| rest[0] == '\n'), true),
        '/' if next(1) == Some('*') => (end_of_block_comment(chars, at), true),
        '"' => (end_of_quoted(chars, at + 1, '"'), true),
        'r' if !follows_word(chars, at) && matches!(next(1), Some('"' | '#')) => {
            let hashes = chars[at + 1..].iter().take_while(|&&c| c == '#').count();
            if next(1 + hashes) != Some('"') {
                return (at + 1, false); // a raw identifier
            }
            let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            let body = at + 2 + hashes;
            (
                find(chars, body, |rest| rest.starts_with(&close))
                    .saturating_add(close.len())
                    .min(chars.len()),
                true,
            )
        }
        // 'x' and '\n' are characters, 'x without a second quote is a lifetime.
        '\'' if next(1) == Some('\\') || next(2) == Some('\'') => (end_of_quoted(chars, at + 1, '\''), true),
        _ => (at + 1, false),
    }
}

fn follows_word(chars: &[char], at: usize) -> bool {
    // `br"…"` and `cr"…"` are literals too.
    let before = |n: usize| at.checked_sub(n).map(|i| chars[i]);
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let prefix = matches!(before(1), Some('b' | 'c')) && !word(before(2));
    word(before(1)) && !prefix
}

fn find(chars: &[char], from: usize, found: impl Fn(&[char]) -> bool) -> usize {
    (from..chars.len()).find(|&at| found(&chars[at..])).unwrap_or(chars.len())
}

fn end_of_block_comment(chars: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn end_of_quoted(chars: &[char], body: usize, quote: char) -> usize {
    let mut at = body;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            c if c == quote => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// Finds the item after each `#[cfg(test)]` up to its closing brace.
fn test_lines(code: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    for (start, _) in code.match_indices("#[cfg(test)]") {
        let rest = &code[start..];
        let Some(open) = rest.find(['{', ';']) else { continue };
        if rest[open..].starts_with(';') {
            continue; // `mod tests;` in a file of its own
        }
        let end = start + open + closing_brace(&rest[open..]);
        ranges.push(line_of(code, start)..line_of(code, end) + 1);
    }
    ranges
}

/// Returns the place of the brace that closes the one the text starts with.
pub(super) fn closing_brace(code: &str) -> usize {
    let mut depth = 0usize;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    code.len()
}

/// Returns the line (from 0) of a byte.
pub(super) fn line_of(code: &str, at: usize) -> usize {
    code[..at].bytes().filter(|&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blank_and_lines_stay() {
        let source = "let a = \"un\\\"safe\"; // unsafe\n/* unsafe /* nested */ unsafe */ let b = r#\"uns\"afe\"#;\nlet c = '\"'; let d: &'static str; let e = b'\\''; unsafe {}\n";
        let code = blank(source);
        assert_eq!(code.lines().count(), source.lines().count());
        assert!(!code.lines().take(2).any(|line| has_word(line, "unsafe") || line.contains("afe")), "{code}");
        assert!(code.lines().nth(2).is_some_and(|line| has_word(line, "unsafe")), "{code}");
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("unsafe fn", "unsafe"));
        assert!(!has_word("unsafe_code", "unsafe"));
        assert!(!has_word("not_unsafe", "unsafe"));
        assert!(!has_word("nothing", "todo!"));
    }

    #[test]
    fn test_modules_are_found_to_their_brace() {
        let source =
            Source::new("a.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() { {} }\n}\nfn c() {}\n");
        assert_eq!(source.test_lines, vec![1..5]);
        assert!(source.is_test_line(3) && !source.is_test_line(5));
    }
}
