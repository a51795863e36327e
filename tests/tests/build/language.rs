//! The language as Docker has it: what comes of small Dockerfiles, held against what BuildKit made of them.
//!
//! `language.txt` has the cases: a title, the Dockerfile, and after `---` what is to come of it. The expectations were
//! written by Docker itself (20.10, with BuildKit): with `CORACLE_LANGUAGE_BY=docker` (and a daemon that has the busybox
//! image with `CMD ["sh"]`) this test writes them anew, but for those whose title says what is newer.

use std::fs;
use std::path::Path;

use tests::Invocation;

use super::Site;

/// In the title of a case that Docker of Debian 12 does not know, or does otherwise.
const NOT_DOCKERS: &str = "(not Docker 20.10";
/// The configuration, a line a field; what is not set is left out.
const FIELDS: [&str; 12] = [
    "User",
    "ExposedPorts",
    "Env",
    "Entrypoint",
    "Cmd",
    "Healthcheck",
    "Volumes",
    "WorkingDir",
    "OnBuild",
    "Labels",
    "StopSignal",
    "Shell",
];
/// The files below /w, and what a step has printed into /out.
const LOOK: &str = "find /w 2>/dev/null | sort | while read f; do stat -c '%a %u:%g %n' \"$f\"; done; cat /out 2>/dev/null; true";

#[test]
fn dockerfiles_mean_what_they_mean_to_docker() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/build/language.txt");
    let text = fs::read_to_string(&path).unwrap();
    let by = std::env::var("CORACLE_LANGUAGE_BY").ok();
    let site = Site::new();
    site.file("a.txt", "a\n").file("d/b.sh", "b\n").file("d/sub/c", "c\n").file("hidden", "h\n");
    site.file(".dockerignore", "hidden\n");
    let archive = site.context.join("t.tar");
    let context = site.context.to_str().unwrap();
    Invocation::new("tar", &["--owner=5", "--group=6", "-cf", archive.to_str().unwrap(), "-C", context, "d"])
        .run()
        .ok();
    let mut written = String::new();
    let mut wrong = Vec::new();
    for case in text.split("\n=== ").map(|case| case.trim_start_matches("=== ")) {
        let (title, rest) = case.split_once('\n').unwrap();
        let (dockerfile, expected) = rest.split_once("\n---\n").unwrap_or((rest.trim_end(), ""));
        if by.is_some() && title.contains(NOT_DOCKERS) {
            written.push_str(&format!("=== {title}\n{dockerfile}\n---\n{}\n", expected.trim_end()));
            continue;
        }
        let found = result(&site, by.as_deref(), dockerfile);
        if found.trim_end() != expected.trim_end() {
            wrong.push(format!("=== {title}\n{dockerfile}\n--- expected\n{expected}\n--- found\n{found}"));
        }
        written.push_str(&format!("=== {title}\n{dockerfile}\n---\n{}\n", found.trim_end()));
    }
    match by {
        Some(_) => fs::write(&path, written).unwrap(),
        None => assert!(wrong.is_empty(), "{}", wrong.join("\n")),
    }
}

/// Builds and looks.
fn result(site: &Site, by: Option<&str>, dockerfile: &str) -> String {
    site.file("Dockerfile", dockerfile);
    let context = site.context.to_str().unwrap();
    let command = |words: &[&str]| match by {
        Some(program) => Invocation::new(program, words).env("DOCKER_BUILDKIT", "1"),
        None => site.engine.command(words),
    };
    let built =
        command(&["build", "--network=none", "--tag", "it", "--build-arg", "GIVEN=given", context]).run();
    if built.code != 0 {
        return "fails".to_owned();
    }
    let inspected = command(&["image", "inspect", "--format", "{{json .Config}}", "it"]).run().ok();
    let config = inspected.json();
    let mut lines = Vec::new();
    for field in FIELDS {
        let value = config.get(field).map(ToString::to_string).unwrap_or_default();
        if !["", "null", "\"\"", "[]", "{}"].contains(&&*value) {
            lines.push(format!("{field}: {value}"));
        }
    }
    let words =
        ["run", "--rm", "--network=none", "--user=0", "--workdir=/", "--entrypoint=sh", "it", "-c", LOOK];
    lines.push(command(&words).run().ok().stdout);
    lines.join("\n")
}
