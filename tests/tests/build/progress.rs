//! How a build is shown: on a terminal, and to programs.

use super::Site;

const TEXT: &str =
    "FROM busybox\nRUN echo hello\nRUN printf '\\033[31mred\\033[0m\\n'; sleep 0.5; test $FAIL";

#[test]
fn a_terminal_shows_a_screenful_and_at_the_end_all_steps() {
    let site = Site::new();
    site.file("Dockerfile", &TEXT.replace("$FAIL", "1"));
    let terminal = site.command(&[]).terminal(24, 60);
    let output = terminal.wait().ok();
    let text = &output.stdout;
    assert!(text.contains("[+] Building") && text.contains("(2/2) FINISHED"), "{text}");
    // While it ran it had its last line, without a colour.
    assert!(text.contains(" => => # red\r\n"), "{text}");
    let last = text.rsplit("[+] Building").next().unwrap();
    assert!(last.contains(" => [stage-0 1/2] RUN echo hello") && last.contains(" 0."), "{last}");
    assert!(text.trim_end().ends_with(&site.id()), "the id stays below: {text}");

    site.file("Dockerfile", &TEXT.replace("$FAIL", "''"));
    let output = site.command(&[]).terminal(24, 60).wait();
    assert!(
        output.code == 1 && output.stdout.contains(" => CACHED [stage-0 1/2] RUN echo hello"),
        "{output}"
    );
    let end = output.stdout.rsplit("FINISHED").next().unwrap().to_owned();
    assert!(
        end.contains("------\r\n > [stage-0 2/2]")
            && end.contains("red\r\n------\r\n")
            && end.contains("error: step 2 failed"),
        "{end}"
    );
}

#[test]
fn lines_are_for_what_is_no_terminal() {
    let site = Site::new();
    site.file("Dockerfile", &TEXT.replace("$FAIL", "1"));
    let plain = site.command(&["--progress", "plain"]).terminal(24, 60).wait().ok();
    assert!(plain.stdout.contains("#1 DONE 0.") && !plain.stdout.contains("[+]"), "{plain}");
    let asked = site.command(&[]).env("BUILDKIT_PROGRESS", "tty").run().ok();
    assert!(asked.stderr.contains("[+] Building"), "{asked}");
}

/// As `docker buildx build --progress rawjson` prints it: objects of BuildKit's `SolveStatus`.
#[test]
fn programs_get_objects() {
    let site = Site::new();
    site.file("Dockerfile", &TEXT.replace("$FAIL", "''"));
    let output = site.command(&["--progress", "rawjson"]).run().fails_with(1);
    let objects: Vec<serde_json::Value> =
        output.stderr.lines().map_while(|line| serde_json::from_str(line).ok()).collect();
    let vertices: Vec<&serde_json::Value> =
        objects.iter().filter_map(|object| object.get("vertexes")).map(|list| &list[0]).collect();
    assert_eq!(vertices.len(), 4, "{output}");
    assert_eq!(vertices[0]["name"], "[stage-0 1/2] RUN echo hello");
    assert!(vertices[0].get("completed").is_none() && vertices[1].get("completed").is_some());
    assert_eq!(vertices[0]["digest"], vertices[1]["digest"]);
    assert_eq!(vertices[3]["error"], "the command returned a non-zero code: 1");
    let log = objects.iter().find_map(|object| object.get("logs")).unwrap();
    assert_eq!((&log[0]["data"], &log[0]["vertex"]), (&"aGVsbG8K".into(), &vertices[0]["digest"]));
}
