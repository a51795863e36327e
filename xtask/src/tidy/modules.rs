//! Every Rust file belongs to a crate: one that no `mod` line reaches is never compiled, and the
//! tests in it never run.

use std::collections::BTreeSet;

use super::lexer::Source;

/// Returns a fault for each file that no target reaches.
pub fn check_modules(crate_roots: &[String], sources: &[Source]) -> Vec<String> {
    let mut reached = BTreeSet::new();
    let mut to_visit: Vec<(String, bool)> = crate_roots.iter().map(|root| (root.clone(), true)).collect();
    while let Some((path, is_root)) = to_visit.pop() {
        let Some(source) = sources.iter().find(|source| source.path == path) else { continue };
        if reached.insert(path) {
            to_visit.extend(children(source, is_root).into_iter().map(|child| (child, false)));
        }
    }
    let forgotten = sources.iter().filter(|source| !reached.contains(&source.path));
    forgotten.map(|source| format!("{}: no `mod` line reaches this file", source.path)).collect()
}

/// Returns the files that the `mod` lines of a file could mean.
fn children(source: &Source, is_root: bool) -> Vec<String> {
    let (dir, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let own_dir = match file {
        _ if is_root => dir.to_owned(),
        "mod.rs" => dir.to_owned(),
        _ => format!("{dir}/{}", file.trim_end_matches(".rs")),
    };
    let mut children = Vec::new();
    let lines: Vec<&str> = source.text.lines().collect();
    for (number, line) in source.code_lines() {
        let Some(name) = declared_module(line) else { continue };
        let attribute = number.checked_sub(1).map_or("", |above| lines[above].trim());
        if let Some(path) = attribute.strip_prefix("#[path = \"").and_then(|rest| rest.strip_suffix("\"]")) {
            children.push(format!("{dir}/{path}"));
        }
        children.push(format!("{own_dir}/{name}.rs"));
        children.push(format!("{own_dir}/{name}/mod.rs"));
    }
    children
}

/// Reads `mod name;` with any visibility.
fn declared_module(line: &str) -> Option<&str> {
    let rest = line.trim().strip_suffix(';')?;
    let (visibility, name) = rest.rsplit_once("mod ")?;
    let visibility = visibility.trim();
    (visibility.is_empty() || visibility.starts_with("pub") || visibility.starts_with("#["))
        .then_some(name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forgotten(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
        check_modules(&["c/src/lib.rs".into()], &sources)
    }

    #[test]
    fn reached_files_pass() {
        let files = [
            ("c/src/lib.rs", "mod a;\npub(crate) mod b;\n"),
            ("c/src/a.rs", "#[cfg(test)]\nmod tests;\n"),
            ("c/src/a/tests.rs", ""),
            ("c/src/b/mod.rs", "#[path = \"odd.rs\"]\nmod c;\n"),
            ("c/src/b/odd.rs", ""),
        ];
        assert_eq!(forgotten(&files), Vec::<String>::new());
    }

    #[test]
    fn a_forgotten_file_is_named_and_a_comment_does_not_reach_it() {
        let faults = forgotten(&[("c/src/lib.rs", "// mod a;\n"), ("c/src/a.rs", "")]);
        assert_eq!(faults, ["c/src/a.rs: no `mod` line reaches this file"]);
    }
}
