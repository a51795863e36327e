//! What must not stand in a file: unsafe code outside its crate, unfinished code, nameless files,
//! paths of somebody's machine.

use super::lexer::{Source, has_word};

/// The one crate that may hold unsafe code.
const UNSAFE_CRATE: &str = "crates/sys/";

/// Macros of code that is not finished.
const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "dbg!"];

/// Names that say nothing of what is inside.
const NAMELESS: &[&str] = &["utils.rs", "helpers.rs", "common.rs", "misc.rs"];

/// First parts of absolute paths that exist on one machine only; the slash is added when looking.
const MACHINE_PATHS: &[&str] = &["/work", "/farm"];

/// Checks one Rust file.
pub fn check_source(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    let path = &source.path;
    if !source.text.starts_with("//!") {
        faults.push(format!("{path}: the first line is not `//!`: say what this file is and what it is not"));
    }
    let file = path.rsplit('/').next().unwrap_or(path);
    if NAMELESS.contains(&file) {
        faults.push(format!("{path}: name the file after what it holds"));
    }
    for (number, line) in source.code_lines() {
        let place = format!("{path}:{}", number + 1);
        if !path.starts_with(UNSAFE_CRATE) && (has_word(line, "unsafe") || allows_unsafe(line)) {
            faults.push(format!("{place}: unsafe code belongs in {UNSAFE_CRATE}"));
        }
        for word in UNFINISHED.iter().filter(|word| has_word(line, word)) {
            faults.push(format!("{place}: `{word}` is not finished"));
        }
        if has_word(line, "#[ignore") {
            faults.push(format!("{place}: no ignored tests: assert today's result with a FIXME"));
        }
    }
    faults
}

fn allows_unsafe(line: &str) -> bool {
    has_word(line, "unsafe_code") && (has_word(line, "allow") || has_word(line, "expect"))
}

/// Checks the words of any text file.
pub fn check_words(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for machine_path in MACHINE_PATHS {
            if has_absolute_path(line, machine_path) {
                faults.push(format!("{path}:{}: `{machine_path}/…` exists on one machine only", number + 1));
            }
        }
    }
    faults
}

/// Whether `start` stands where an absolute path begins: `upper/work/x` is another matter.
fn has_absolute_path(line: &str, start: &str) -> bool {
    line.match_indices(start).any(|(at, _)| {
        let begins = !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-})/*".contains(c));
        begins && line[at + start.len()..].starts_with('/')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, text: &str) -> Vec<String> {
        check_source(&Source::new(path, text))
    }

    #[test]
    fn unsafe_is_allowed_in_one_crate_and_in_words() {
        let text = "//! x\nfn f() { unsafe { g() } }\n";
        assert_eq!(faults("crates/sys/src/a.rs", text), Vec::<String>::new());
        assert_eq!(
            faults("crates/cli/src/a.rs", text),
            ["crates/cli/src/a.rs:2: unsafe code belongs in crates/sys/"]
        );
        assert_eq!(
            faults("crates/cli/src/a.rs", "//! x\n// unsafe\nconst A: &str = \"unsafe\";\n"),
            Vec::<String>::new()
        );
        assert_eq!(faults("crates/cli/src/a.rs", "//! x\n#![allow(unsafe_code)]\n").len(), 1);
        assert_eq!(faults("crates/cli/src/a.rs", "//! x\n#![deny(unsafe_code)]\n").len(), 0);
    }

    #[test]
    fn headers_and_names_say_what_a_file_is() {
        assert!(faults("a.rs", "use std::fs;\n")[0].contains("first line"));
        assert!(faults("crates/cli/src/utils.rs", "//! x\n")[0].contains("name the file"));
    }

    #[test]
    fn unfinished_code_is_found() {
        let text = format!("//! x\nfn f() {{ {}() }}\nfn g() {{ my_{}() }}\n", "todo!", "todo!");
        assert_eq!(faults("a.rs", &text), ["a.rs:2: `todo!` is not finished"]);
        let ignored = format!("//! x\n#[{}]\nfn f() {{}}\n", "ignore");
        assert_eq!(faults("a.rs", &ignored).len(), 1);
    }

    #[test]
    fn paths_of_one_machine_are_found_and_overlay_directories_are_not() {
        let path = MACHINE_PATHS[0];
        assert_eq!(check_words("a.md", &format!("see `{path}/x`\n")).len(), 1);
        assert_eq!(check_words("a.md", &format!("upper{path}/x, at{path}, $base{path}/y\n")).len(), 0);
    }
}
