//! `--verify`: the same twice, or what is not.

use super::Site;

#[test]
fn a_build_that_gives_the_same_twice_is_kept() {
    let site = Site::new();
    site.file("input", "x\n");
    let text =
        "FROM busybox AS a\nRUN mkdir /d && date > /dev/null && touch /d/x\nFROM a\nCOPY input /i\nENV A=b";
    let built = site.build(text, &["--verify"]).ok();
    assert_eq!(built.stderr.matches("again: [").count(), 2, "{built}");
    assert_eq!(site.inside("cat /i; ls /d"), "x\nx");
}

#[test]
fn the_first_difference_is_shown() {
    let site = Site::new();
    for (line, expected) in [
        (
            "RUN mkdir -p /d/e && cat /proc/sys/kernel/random/uuid > /d/e/f",
            "`/d/e/f`: its content differs from byte",
        ),
        ("RUN touch /$(cat /proc/sys/kernel/random/uuid)", "it is there the first time only"),
        ("RUN ln -s $(cat /proc/sys/kernel/random/uuid) /l", "`/l`: the link leads to"),
        (
            "RUN --mount=type=cache,target=/c touch /f; test -e /c/x && chmod 600 /f; touch /c/x",
            "`/f`: its mode is 644 and 600",
        ),
    ] {
        let text = format!("FROM busybox\nRUN true\n{line}\nRUN cat /proc/sys/kernel/random/uuid > /later");
        let failed = site.build(&text, &["--verify"]).fails_with(1);
        failed.error_names(&["the build is not reproducible", "[stage-0 2/3] RUN", expected]);
        site.engine.run(&["image", "inspect", "it"]).fails_with(1);
    }
}
