//! Patterns beside moby's own table.

use proptest::prelude::*;

use super::*;

fn ignores(patterns: &str, path: &str) -> bool {
    Matcher::parse(&Source::new(".dockerignore", patterns)).expect("valid patterns").ignores(path)
}

#[test]
fn one_pattern() {
    // From the table of moby's patternmatcher_test.go, where both say it of a path or of what lies above it.
    for (pattern, path, expected) in [
        ("**", "file", true),
        ("**", "dir/file", true),
        ("**/", "dir/file", true),
        ("**/**", "dir/file", true),
        ("dir/**", "dir/file", true),
        ("dir/**", "dir/dir2/file", true),
        ("**/dir", "dir", true),
        ("**/dir", "dir/file", true),
        ("**/dir2/*", "dir/dir2/file", true),
        ("**/dir2/*", "dir/dir2/dir3/file", true),
        ("**file", "file", true),
        ("**file", "dir/file", true),
        ("**/file", "dir/dir/file", true),
        ("**/file*", "dir/dir/file.txt", true),
        ("**/file*txt", "dir/dir/file.txt", true),
        ("**/**/*.txt", "dir/dir/file.txt", true),
        ("**/*.txt2", "dir/dir/file.txt", false),
        ("**/*.txt", "file.txt", true),
        ("a**/*.txt", "a/file.txt", true),
        ("a**/*.txt", "a/dir/dir/file.txt", true),
        ("a/*.txt", "a/dir/file.txt", false),
        ("a/*.txt", "a/file.txt", true),
        ("a/*.txt**", "a/file.txt", true),
        ("a[b-d]e", "ae", false),
        ("a[b-d]e", "ace", true),
        ("a[^b-d]e", "aze", true),
        ("a[^b-d]e", "ace", false),
        ("abc.def", "abcdef", false),
        ("abc.def", "abc.def", true),
        ("abc?def", "abcZdef", true),
        ("abc?def", "abcdef", false),
        ("a\\*b", "a*b", true),
        ("a\\*b", "axb", false),
        ("a\\\\", "a\\", true),
        ("**/foo/bar", "foo/bar", true),
        ("**/foo/bar", "dir/dir2/foo/bar", true),
        ("abc/**", "abc", false),
        ("abc/**", "abc/def/ghi", true),
        ("**/.foo", "bar.foo", false),
        ("**/.foo", ".foo", true),
        ("a(b)c/def", "a(b)c/xyz", false),
        ("a.|)$(}+{bc", "a.|)$(}+{bc", true),
        (
            "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl",
            "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl",
            true,
        ),
        ("/file", "file", true),
        ("./file", "file", true),
        ("dir/../file", "file", true),
        ("file", "sub/file", false),
        ("*", "sub/file", true),
        ("*/file", "sub/file", true),
        ("dir", "dir/sub/file", true),
        ("dir", "dirx", false),
    ] {
        assert_eq!(ignores(pattern, path), expected, "{pattern} on {path}");
    }
}

#[test]
fn the_last_pattern_that_matches_decides() {
    for (patterns, path, expected) in [
        ("*.md\n!README.md", "README.md", false),
        ("*.md\n!README.md", "OTHER.md", true),
        ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true),
        ("dir\n!dir/file", "dir/file", false),
        ("dir\n!dir/file", "dir/other", true),
        ("!dir/file\ndir", "dir/file", true),
        ("*\n!src\nsrc/*.tmp", "src/a.rs", false),
        ("*\n!src\nsrc/*.tmp", "src/a.tmp", true),
        ("**/*.txt\n! keep/a.txt ", "keep/a.txt", false),
        ("foo\n!foo/bar/baz", "foo/bar/other", true),
    ] {
        assert_eq!(ignores(patterns, path), expected, "{patterns:?} on {path}");
    }
}

#[test]
fn comments_blanks_and_marks_are_no_patterns() {
    assert!(ignores("\u{feff}first\n# file\n\n  \t\n", "first"));
    assert!(!ignores("# file\n\n", "file"));
    assert!(ignores("name\r\n", "name"));
}

#[test]
fn malformed_patterns_are_shown() {
    let source = Source::new(".dockerignore", "ok\n[z-\n");
    let fault = Matcher::parse(&source).expect_err("malformed");
    insta::assert_snapshot!(fault.render(&source), @r"
    invalid pattern `[z-`
     --> .dockerignore:2:1
      |
    2 | [z-
      | ^^^
    ");
    for bad in ["!", "a[", "a\\", "[]a]", "[-]"] {
        assert!(Matcher::parse(&Source::new("f", bad)).is_err(), "{bad}");
    }
}

#[test]
fn paths_are_cleaned() {
    for (path, expected) in [
        ("", "."),
        ("a//b/./c/", "a/b/c"),
        ("../a", "../a"),
        ("a/../../b", "../b"),
        ("/../a", "/a"),
        ("/", "/"),
    ] {
        assert_eq!(clean(path), expected, "{path}");
    }
}

proptest! {
    #[test]
    fn any_text_is_matched_or_refused(text in "[*?\\[\\]\\\\!^a-c/.\\- \n-]{0,40}", path in "[a-c/.]{0,20}") {
        if let Ok(matcher) = Matcher::parse(&Source::new("f", text)) {
            let _ = matcher.ignores(&path);
        }
    }

    #[test]
    fn a_verdict_of_the_directory_changes_nothing(
        patterns in "(!?(\\*\\*/|[ab*]/?|a){1,3}\n){1,4}", path in "[ab](/[ab]){0,3}"
    ) {
        if let Ok(matcher) = Matcher::parse(&Source::new("f", patterns)) {
            let from_root = matcher.ignores(&path);
            if let Some((parent, _)) = path.rsplit_once('/') {
                let mut verdict = Verdict::default();
                for (end, _) in parent.match_indices('/').chain([(parent.len(), "")]) {
                    verdict = matcher.judge(&parent[..end], &verdict);
                }
                prop_assert_eq!(matcher.judge(&path, &verdict).ignored, from_root);
            }
        }
    }
}
