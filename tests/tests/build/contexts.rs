//! Where contexts and Dockerfiles come from, and where results go.

use std::fs;

use tests::Invocation;

use super::Site;

#[test]
fn a_dockerfile_comes_on_standard_input() {
    let site = Site::new();
    site.engine
        .command(&["build", "-t", "it", "-"])
        .stdin("FROM busybox\nRUN echo piped > /piped\n")
        .run()
        .ok();
    assert_eq!(site.inside("cat /piped"), "piped");
    site.file("x", "x\n");
    let context = site.context.to_str().unwrap();
    let build = site.engine.command(&["build", "-t", "it", "-f", "-", context]);
    build.stdin("FROM busybox\nCOPY x /x\n").run().ok();
    assert_eq!(site.inside("cat /x"), "x");
}

#[test]
fn an_archive_comes_on_standard_input() {
    let site = Site::new();
    site.file("sub/Build", "FROM busybox\nCOPY x /x\n").file("x", "x\n").file(".dockerignore", "y\n");
    let context = site.context.to_str().unwrap();
    for flags in ["-cf", "-czf"] {
        let archive = site.engine.base().join("context.tar");
        Invocation::new("tar", &[flags, archive.to_str().unwrap(), "-C", context, "."]).run().ok();
        let build = site.engine.command(&["build", "-t", "it", "--no-cache", "-f", "sub/Build", "-"]);
        build.stdin(fs::read(&archive).unwrap()).run().ok();
        assert_eq!(site.inside("cat /x"), "x");
    }
}

#[test]
fn further_contexts_have_names() {
    let site = Site::new();
    let other = site.engine.base().join("other");
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join("o"), "other\n").unwrap();
    let named = format!("other={}", other.display());
    site.build(
        "FROM debian AS x\nCOPY --from=other o /o\nRUN --mount=from=other,target=/m cat /m/o > /mounted",
        &["--build-context", &named, "--build-context", "debian=docker-image://busybox"],
    )
    .ok();
    assert_eq!(site.inside("cat /o /mounted"), "other\nother");
}

#[test]
fn a_target_stops_before_what_follows() {
    let site = Site::new();
    site.build("FROM busybox AS first\nRUN echo 1 > /1\nFROM first\nRUN false", &["--target", "first"]).ok();
    assert_eq!(site.inside("cat /1"), "1");
    site.build("FROM busybox AS first", &["--target", "frist"])
        .fails_with(1)
        .error_names(&["`frist`", "`first`"]);
}

#[test]
fn results_go_where_they_are_asked_for() {
    let site = Site::new();
    let text = "FROM scratch\nCOPY <<F /dir/file\ncontent\nF\nLABEL l=1";
    let base = site.engine.base().to_owned();
    let path = |name: &str| base.join(name).to_str().unwrap().to_owned();
    site.build(text, &["-o", &path("out")]).ok().prints("");
    assert_eq!(fs::read_to_string(base.join("out/dir/file")).unwrap(), "content\n");
    site.build(text, &["-o", &format!("type=tar,dest={}", path("t.tar"))]).ok();
    let listed = Invocation::new("tar", &["-tf", &path("t.tar")]).run().ok();
    assert!(listed.text().contains("dir/file"), "{}", listed.text());
    site.build(text, &["-o", &format!("type=oci,dest={}", path("oci.tar"))]).ok();
    site.engine.run(&["rmi", "it"]).ok();
    site.engine.run(&["load", "-i", &path("oci.tar")]).ok();
    assert_eq!(site.engine.inspect("it", "{{.Config.Labels.l}}"), "1");
    site.build(
        text,
        &["--iidfile", &path("iid"), "--metadata-file", &path("meta"), "-t", "second:tag", "--label", "m=2"],
    )
    .ok();
    assert_eq!(fs::read_to_string(base.join("iid")).unwrap(), site.id());
    assert!(fs::read_to_string(base.join("meta")).unwrap().contains("containerimage.digest"));
    assert_eq!(site.engine.inspect("second:tag", "{{.Config.Labels.m}}"), "2");
}

#[test]
fn what_is_not_there_yet_is_refused_by_name() {
    let site = Site::new();
    site.file("Dockerfile", "FROM busybox\nADD https://example.org/x.git /x\n");
    let context = site.context.to_str().unwrap();
    for (words, named) in [
        (vec!["build", "https://example.org/repo.git"], "contexts from git and http"),
        (vec!["build", "--push", context], "--push"),
        (vec!["build", "--sbom", "true", context], "--sbom"),
        (vec!["build", "--cache-to", "type=registry,ref=x", context], "type `registry`"),
        (vec!["build", "--cache-from", "type=gha", context], "type `gha`"),
        (vec!["build", "--platform", "linux/s390x", context], "linux/s390x"),
        (vec!["build", context], "sources from git are not supported"),
    ] {
        let output = site.engine.run(&words);
        assert!(output.code != 0 && output.stderr.contains(named), "{words:?}: {}", output.stderr);
    }
}
