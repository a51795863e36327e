//! Builds that fail: what is said, and that nothing stays.

use std::time::{Duration, Instant};

use super::Site;

#[test]
fn a_step_that_fails_is_shown_in_its_place() {
    let site = Site::new();
    let failed = site.build("FROM busybox\n\nRUN echo before && exit 7\nRUN echo never", &[]).fails_with(1);
    failed.error_names(&[
        "the command returned a non-zero code: 7",
        "Dockerfile:3:1",
        "3 | RUN echo before",
        "^^^^",
    ]);
    assert_eq!(site.engine.run(&["ps", "-aq"]).ok().text(), "");
    site.engine.run(&["image", "inspect", "it"]).fails_with(1);
}

#[test]
fn faults_of_the_text_are_told_before_anything_runs() {
    let site = Site::new();
    site.build("FROM busybox\nRUN touch /x\nCPOY a b\nRUN --mount=type=cahce,target=/x y", &[])
        .fails_with(1)
        .stderr_has("error: unknown instruction `CPOY`")
        .stderr_has("hint: did you mean `COPY`?")
        .stderr_has("Dockerfile:4:5")
        .stderr_has("hint: did you mean `cache`?");
    assert_eq!(site.engine.run(&["build", "cache", "ls"]).ok().text().lines().count(), 1);
}

#[test]
fn a_name_that_no_image_can_have_is_told_before_anything_runs() {
    let site = Site::new();
    let refused = site.build("FROM busybox\nRUN touch /x", &["--tag", "Bad Name"]).fails_with(1);
    refused.error_names(&["Bad Name"]);
    assert_eq!(site.engine.run(&["build", "cache", "ls"]).ok().text().lines().count(), 1);
}

#[test]
fn what_is_missing_is_named() {
    let site = Site::new();
    site.build("FROM busybox", &["--file", "nowhere/Dockerfile"])
        .fails_with(1)
        .error_names(&["nowhere/Dockerfile", "the working directory"]);
    site.build("FROM nowhere/at:all", &[])
        .fails_with(1)
        .error_names(&["cannot use image `nowhere/at:all`", "Dockerfile:1:6"]);
    site.build("FROM busybox\nCOPY nothing /", &[])
        .fails_with(1)
        .error_names(&["`/nothing` is not there", "Dockerfile:2:1"]);
    site.build("FROM busybox\nUSER nobody-here\nRUN true", &[])
        .fails_with(1)
        .error_names(&["unable to find user nobody-here"]);
    site.build("FROM busybox\nRUN [\"/no/such\"]", &[]).fails_with(1).error_names(&["/no/such"]);
    site.engine.run(&["build", "/no/such/directory"]).fails_with(1).error_names(&["/no/such/directory"]);
    std::fs::remove_file(site.context.join("Dockerfile")).unwrap();
    site.command(&[]).run().fails_with(1).error_names(&["there is no Dockerfile in"]);
}

#[test]
fn a_check_finds_warnings_and_builds_nothing() {
    let site = Site::new();
    let checked = site.build("FROM nowhere AS Stage\nCMD sh -c x\nRUN false", &["--check"]).fails_with(1);
    assert!(
        checked.stderr.contains("StageNameCasing") && checked.stderr.contains("JSONArgsRecommended"),
        "{}",
        checked.stderr
    );
    assert!(checked.stderr.contains("2 warnings have been found"), "{}", checked.stderr);
    site.build("FROM busybox\nRUN false", &["--check"]).ok();
    site.build("# check=error=true\nFROM busybox AS X", &[]).fails_with(1).error_names(&["warnings"]);
}

#[test]
fn a_failure_ends_the_stages_beside_it() {
    let site = Site::new();
    let began = Instant::now();
    site.build(
        "FROM busybox AS a\nRUN sleep 0.3; false\nFROM busybox AS b\nRUN sleep 1\nRUN sleep 50\nFROM busybox\n\
         COPY --from=a / /\nCOPY --from=b / /",
        &[],
    )
    .fails_with(1);
    assert!(began.elapsed() < Duration::from_secs(40), "the second step of `b` was begun");
    // A step that is under way is not waited for.
    let began = Instant::now();
    site.build(
        "FROM busybox AS a\nRUN sleep 0.3; false\nFROM busybox\nRUN sleep 300\nCOPY --from=a / /",
        &[],
    )
    .fails_with(1)
    .error_names(&["the command returned a non-zero code: 1"]);
    assert!(began.elapsed() < Duration::from_secs(60), "the step beside it was waited for");
    assert_eq!(site.engine.run(&["ps", "-aq"]).ok().text(), "");
}

#[test]
fn an_interrupted_build_leaves_no_container() {
    let site = Site::new();
    site.file("Dockerfile", "FROM busybox\nRUN sleep 100");
    let running = site.command(&[]).spawn();
    tests::eventually("the step runs", || !site.engine.run(&["ps", "-q"]).ok().text().is_empty());
    running.signal(rustix::process::Signal::INT);
    running.wait().fails_with(130);
    assert_eq!(site.engine.run(&["ps", "-aq"]).ok().text(), "");
}

#[test]
fn an_interrupted_copy_ends() {
    let site = Site::new();
    site.file("Dockerfile", "FROM busybox\nCOPY endless /x");
    // Holes that take minutes to read.
    let endless = std::fs::File::create(site.context.join("endless")).unwrap();
    endless.set_len(1 << 42).unwrap();
    let running = site.command(&[]).spawn();
    let work = site.engine.root().join("build/work");
    tests::eventually("it is under way", || {
        std::fs::read_dir(&work).is_ok_and(|mut list| list.next().is_some())
    });
    running.signal(rustix::process::Signal::INT);
    running.wait().fails_with(130).error_names(&["interrupted"]);
}

#[test]
fn the_next_build_clears_away_what_a_killed_one_has_left() {
    let site = Site::new();
    site.file("Dockerfile", "FROM busybox\nRUN sleep 100");
    let running = site.command(&[]).spawn();
    tests::eventually("the step runs", || !site.engine.run(&["ps", "-q"]).ok().text().is_empty());
    running.signal(rustix::process::Signal::KILL);
    assert_ne!(running.wait().code, 0, "it was killed");
    site.build("FROM busybox\nRUN true", &[]).ok();
    assert_eq!(site.engine.run(&["ps", "-aq"]).ok().text(), "");
    let work = site.engine.root().join("build/work");
    assert_eq!(std::fs::read_dir(work).unwrap().count(), 0);
}
