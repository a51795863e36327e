//! A ratchet on length. A file is looked at from 500 lines and has a reason from 800; a function is
//! looked at from 70 and has a reason from 100. Tests do not count.

use super::Report;
use super::lexer::{Source, closing_brace, line_of};

const FILE_LOOK: usize = 500;
const FILE_MARK: usize = 800;
const FUNCTION_LOOK: usize = 70;
const FUNCTION_MARK: usize = 100;

/// A named exception: it may not grow past its lines, and goes when it is no longer needed.
pub struct Exception {
    /// A path, or `path:function`.
    pub name: &'static str,
    pub lines: usize,
    pub reason: &'static str,
}

/// Files that are long for a reason.
pub(super) const LONG_FILES: &[Exception] = &[];

/// Functions that are long for a reason: a flat table, one exhaustive `match`, a recipe.
pub(super) const LONG_FUNCTIONS: &[Exception] = &[];

/// Reports files and functions past a mark, and exceptions that have become needless.
pub fn check_size(sources: &[Source], files: &[Exception], functions: &[Exception], report: &mut Report) {
    let sources: Vec<&Source> = sources.iter().filter(|source| !source.is_test_file()).collect();
    let sizes: Vec<(String, usize)> =
        sources.iter().map(|source| (source.path.clone(), file_lines(source))).collect();
    judge("file", &sizes, FILE_LOOK, FILE_MARK, files, report);
    let sizes: Vec<(String, usize)> = sources.iter().flat_map(|source| function_lines(source)).collect();
    judge("function", &sizes, FUNCTION_LOOK, FUNCTION_MARK, functions, report);
}

fn judge(
    what: &str,
    sizes: &[(String, usize)],
    look: usize,
    mark: usize,
    exceptions: &[Exception],
    report: &mut Report,
) {
    for (name, lines) in sizes {
        let allowed = exceptions.iter().find(|exception| exception.name == name);
        match allowed {
            Some(exception) if *lines > exception.lines => report.faults.push(format!(
                "{name}: {what} of {lines} lines has grown past its exception of {}",
                exception.lines
            )),
            None if *lines > mark => report.faults.push(format!(
                "{name}: {what} of {lines} lines (mark {mark}): which concept is missing? \
                 or name a reason in xtask/src/tidy/size.rs"
            )),
            None if *lines > look => report.looks.push(format!("{name}: {what} of {lines} lines")),
            _ => {}
        }
    }
    for exception in exceptions {
        let needed = sizes.iter().any(|(name, lines)| name == exception.name && *lines > mark);
        if !needed {
            report
                .faults
                .push(format!("{}: its exception for a long {what} is no longer needed", exception.name));
        }
    }
}

fn file_lines(source: &Source) -> usize {
    (0..source.text.lines().count()).filter(|&line| !source.is_test_line(line)).count()
}

/// Returns `path:function` and the lines from `fn` to the closing brace.
fn function_lines(source: &Source) -> Vec<(String, usize)> {
    let code = &source.code;
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let starts_word = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let name: String = code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let first = line_of(code, at);
        if !starts_word || name.is_empty() || source.is_test_line(first) {
            continue;
        }
        let Some(open) = body(&code[at..]) else { continue };
        let end = at + open + closing_brace(&code[at + open..]);
        found.push((format!("{}:{name}", source.path), line_of(code, end) - first + 1));
    }
    found
}

/// Finds the brace that opens the body of a function; one without a body ends in a semicolon.
fn body(code: &str) -> Option<usize> {
    let mut depth = 0i32;
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '{' if depth == 0 => return Some(at),
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(text: &str, functions: &[Exception]) -> Report {
        let mut report = Report::default();
        check_size(&[Source::new("a.rs", text)], &[], functions, &mut report);
        report
    }

    fn function(lines: usize) -> String {
        format!("fn long(a: [u8; 3]) -> Result<()> {{\n{}}}\n", "    step();\n".repeat(lines - 2))
    }

    #[test]
    fn short_ones_pass_longer_ones_are_looked_at_long_ones_fail() {
        let short = report(&function(70), &[]);
        assert!(short.faults.is_empty() && short.looks.is_empty());
        assert_eq!(report(&function(71), &[]).looks, ["a.rs:long: function of 71 lines"]);
        assert!(report(&function(101), &[]).faults[0].starts_with("a.rs:long: function of 101 lines"));
    }

    #[test]
    fn tests_and_bodiless_functions_do_not_count() {
        let inside = format!("trait T {{ fn f(); }}\n#[cfg(test)]\nmod tests {{\n{}}}\n", function(900));
        let report = report(&inside, &[]);
        assert!(report.faults.is_empty() && report.looks.is_empty(), "{:?}", report.faults);
    }

    #[test]
    fn an_exception_holds_does_not_grow_and_does_not_outlive_its_need() {
        let exception = || Exception { name: "a.rs:long", lines: 120, reason: "a table" };
        assert!(report(&function(120), &[exception()]).faults.is_empty());
        assert!(report(&function(121), &[exception()]).faults[0].contains("has grown"));
        assert!(report(&function(90), &[exception()]).faults[0].contains("no longer needed"));
    }

    #[test]
    fn a_long_file_fails() {
        assert!(report(&"use a;\n".repeat(801), &[]).faults[0].starts_with("a.rs: file of 801 lines"));
        assert_eq!(report(&"use a;\n".repeat(501), &[]).looks, ["a.rs: file of 501 lines"]);
    }
}
