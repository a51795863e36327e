//! `.dockerignore`: which files of a build context a build does not see, by the rules of moby's patternmatcher.
//!
//! The last pattern that matches a path, or a directory above it, decides; `!` takes back. These are not git's rules:
//! a pattern is anchored at the root of the context, and what lies below an ignored directory can be taken back.

mod pattern;

use crate::fault::Fault;
use crate::source::{Source, Span};
use pattern::Pattern;

/// Patterns in order.
#[derive(Debug, Clone, Default)]
pub struct Matcher {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    pattern: Pattern,
    /// Whether it takes back: `!pattern`.
    keeps: bool,
}

/// What the patterns say of a directory, so that what lies in it need not ask again.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Whether it is ignored.
    pub ignored: bool,
    /// Which rules match it or a directory above.
    matched: Vec<bool>,
}

/// A pattern that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid pattern `{0}`")]
pub struct InvalidPattern(pub String);

impl Matcher {
    /// Parses the text of an ignore file.
    pub fn parse(source: &Source) -> Result<Self, Fault> {
        let mut rules = Vec::new();
        let mut at = 0;
        for line in source.text().split_inclusive('\n') {
            let start = at;
            at += line.len();
            let line = if start == 0 { line.trim_start_matches('\u{feff}') } else { line };
            if line.starts_with('#') {
                continue;
            }
            let text = line.trim();
            if text.is_empty() {
                continue;
            }
            let (keeps, pattern) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest.trim()));
            let cleaned = clean(pattern);
            let relative = cleaned.strip_prefix('/').filter(|rest| !rest.is_empty()).unwrap_or(&cleaned);
            let span = Span::new(start, start + line.trim_end().len());
            if pattern.is_empty() {
                return Err(Fault::new(span, "illegal exclusion pattern: `!`")
                    .hint("write the pattern that is taken back right behind the sign"));
            }
            let pattern = Pattern::parse(relative)
                .ok_or_else(|| Fault::new(span, format!("invalid pattern `{pattern}`")))?;
            rules.push(Rule { pattern, keeps });
        }
        Ok(Self { rules })
    }

    /// Takes patterns one by one, as `--exclude` gives them.
    pub fn from_patterns<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidPattern> {
        let mut rules = Vec::new();
        for text in patterns {
            let trimmed = text.trim();
            if trimmed.is_empty() {
                continue;
            }
            let cleaned = clean(trimmed);
            let (keeps, pattern) = cleaned.strip_prefix('!').map_or((false, &*cleaned), |rest| (true, rest));
            let pattern = Some(pattern).filter(|pattern| !pattern.is_empty()).and_then(Pattern::parse);
            rules.push(Rule { pattern: pattern.ok_or_else(|| InvalidPattern(text.to_owned()))?, keeps });
        }
        Ok(Self { rules })
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether some pattern takes back, so that what lies below an ignored directory must be looked at.
    pub fn takes_back(&self) -> bool {
        self.rules.iter().any(|rule| rule.keeps)
    }

    /// Whether a path relative to the root, with `/`, is ignored.
    pub fn ignores(&self, path: &str) -> bool {
        let mut verdict = Verdict::default();
        for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
            verdict = self.judge(&path[..end], &verdict);
        }
        verdict.ignored
    }

    /// Says whether a path is ignored, given what was said of the directory it lies in (by default, the root).
    pub fn judge(&self, path: &str, parent: &Verdict) -> Verdict {
        let mut verdict = Verdict { ignored: false, matched: vec![false; self.rules.len()] };
        for (index, rule) in self.rules.iter().enumerate() {
            let matches = parent.matched.get(index).copied().unwrap_or(false) || rule.pattern.matches(path);
            verdict.matched[index] = matches;
            if matches {
                verdict.ignored = !rule.keeps;
            }
        }
        verdict
    }

    /// Whether every file is ignored by a pattern that names no file: `*`, `**`.
    pub fn ignores_the_root(&self) -> bool {
        let everything = ["*", "**", "**/*"];
        self.rules.iter().any(|rule| !rule.keeps && everything.contains(&rule.pattern.text()))
    }
}

/// Returns the names under which an ignore file of a Dockerfile is looked for, the first that exists is taken.
///
/// The first lies beside the Dockerfile, the second in the root of the context.
pub fn ignore_file_names(dockerfile: &str) -> [String; 2] {
    [format!("{dockerfile}.dockerignore"), ".dockerignore".to_owned()]
}

/// Go's `filepath.Clean`: the shortest path that means the same.
pub(crate) fn clean(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    match (absolute, parts.join("/")) {
        (true, joined) => format!("/{joined}"),
        (false, joined) if joined.is_empty() => ".".to_owned(),
        (false, joined) => joined,
    }
}

#[cfg(test)]
mod tests;
