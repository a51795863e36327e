//! What is done again and what is not, and that two builds of the same give the same.

use super::Site;

const COUNTING: &str = "FROM busybox\nCOPY input /input\nRUN cat /input && cat /proc/sys/kernel/random/uuid > /stamp\nLABEL a=b\nRUN true\n";

#[test]
fn a_build_of_nothing_new_runs_nothing_and_gives_the_same_image() {
    let site = Site::new();
    site.file("input", "one\n");
    site.build(COUNTING, &[]).ok();
    let (id, stamp) = (site.id(), site.inside("cat /stamp"));
    let again = site.build(COUNTING, &[]).ok();
    assert_eq!(again.stderr.matches("CACHED").count(), 3, "{}", again.stderr);
    assert_eq!((site.id(), site.inside("cat /stamp")), (id.clone(), stamp.clone()));
    // A file that was written anew with the same content is the same file.
    site.file("input", "one\n");
    site.build(COUNTING, &[]).ok();
    assert_eq!(site.id(), id);
    site.file("input", "two\n");
    site.build(COUNTING, &[]).ok();
    assert_ne!(site.inside("cat /stamp"), stamp);
    assert_eq!(site.inside("cat /input"), "two");
    site.build(COUNTING, &["--no-cache"]).ok();
    assert_ne!(site.id(), id);
}

#[test]
fn a_mode_and_a_name_count_and_what_is_not_copied_does_not() {
    let site = Site::new();
    site.file("dir/a", "a\n").file("other", "1");
    let text = "FROM busybox\nCOPY dir /d\nRUN cat /proc/sys/kernel/random/uuid > /stamp";
    let stamp = |site: &Site| {
        site.build(text, &[]).ok();
        site.inside("cat /stamp")
    };
    let first = stamp(&site);
    site.file("other", "2").file(".dockerignore", "nothing\n");
    assert_eq!(stamp(&site), first);
    let path = site.context.join("dir/a");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let second = stamp(&site);
    assert_ne!(second, first);
    std::fs::rename(&path, site.context.join("dir/b")).unwrap();
    assert_ne!(stamp(&site), second);
}

#[test]
fn an_argument_that_is_not_used_changes_nothing() {
    let site = Site::new();
    let text = "ARG GLOBAL\nFROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /stamp\nARG LATE\nRUN echo $LATE > /late";
    site.build(text, &["--build-arg", "LATE=1"]).ok();
    let stamp = site.inside("cat /stamp");
    site.build(text, &["--build-arg", "LATE=2", "--build-arg", "GLOBAL=x"]).ok();
    assert_eq!(site.inside("cat /stamp /late"), format!("{stamp}\n2"));
}

#[test]
fn the_same_moment_gives_the_same_bytes() {
    let site = Site::new();
    site.file("input", "x\n").file("dir/y", "y\n");
    site.file(
        "Dockerfile",
        "FROM busybox\nWORKDIR /w/x\nCOPY input dir ./new/\nRUN mkdir -p /a/b && touch /a/b/c && rm /etc/group\nCMD [\"x\"]",
    );
    let build = || {
        site.command(&["--no-cache"]).env("SOURCE_DATE_EPOCH", "1700000000").run().ok();
        (site.id(), site.engine.inspect("it", "{{json .RootFS.Layers}} {{.Created}}"))
    };
    let ids = [build(), build()];
    assert_eq!(ids[0], ids[1]);
    assert!(ids[0].1.contains("2023-11-14T22:13:20"), "{}", ids[0].1);
}

#[test]
fn independent_stages_run_at_the_same_time() {
    let site = Site::new();
    // Each waits for a file that only the other makes.
    let stage = |name: &str, other: &str| {
        format!(
            "FROM busybox AS {name}\nRUN --mount=type=cache,id=meet,target=/c touch /c/{name}; \
             for i in $(seq 300); do test -e /c/{other} && exit 0; sleep 0.1; done; exit 1\n"
        )
    };
    let text = format!(
        "{}{}FROM scratch AS unused\nCOPY --from=nowhere /x /y\nFROM busybox\nCOPY --from=a /bin/true /a\nCOPY --from=b /bin/true /b\n",
        stage("a", "b"),
        stage("b", "a")
    );
    site.build(&text, &[]).ok();
    let listed = site.engine.run(&["build", "cache", "ls"]).ok();
    assert!(listed.text().contains("COPY --from=a /bin/true /a"), "{}", listed.text());
}

#[test]
fn the_cache_is_listed_pruned_and_nothing_of_it_stays() {
    let site = Site::new();
    site.build("FROM busybox\nRUN echo x > /x\nRUN echo y > /y", &[]).ok();
    let steps = |site: &Site| site.engine.run(&["build", "cache", "ls"]).ok().text().lines().count() - 1;
    assert_eq!(steps(&site), 2);
    site.engine.run(&["build", "cache", "prune", "--force", "--unused-for", "1h"]).ok();
    site.engine.run(&["image", "prune", "--force"]).ok();
    assert_eq!(steps(&site), 2);
    site.engine.run(&["build", "cache", "prune", "--force"]).ok().stdout_has("Total reclaimed space:");
    assert_eq!(steps(&site), 0);
    assert_eq!(site.inside("cat /x /y"), "x\ny");
    assert_eq!(site.engine.run(&["images", "--all", "--quiet"]).ok().text().lines().count(), 2);
    site.engine.audit();
    site.build("FROM busybox\nRUN echo x > /x", &[]).ok();
    site.engine.run(&["system", "prune", "--force"]).ok();
    assert_eq!(steps(&site), 0);
}

/// By the kernel's form of them in user namespaces, which names a root user of this machine.
#[test]
fn capabilities_of_files_stay_from_step_to_stage() {
    let site = Site::new();
    site.engine.image("debian");
    site.build(
        "FROM debian AS a\nRUN cp /bin/true /t && /sbin/setcap cap_net_raw+ep /t\nFROM debian\nCOPY --from=a /t /u\n\
         RUN /sbin/getcap /u > /seen",
        &[],
    )
    .ok();
    assert_eq!(site.inside("cat /seen; /sbin/getcap /u"), "/u cap_net_raw=ep\n/u cap_net_raw=ep");
}

/// Whoever takes an intermediate image away makes a step run again, and breaks nothing.
#[test]
fn a_step_whose_image_was_removed_is_done_again() {
    let site = Site::new();
    let text = "FROM busybox\nRUN echo x > /x\nRUN echo y > /y";
    site.build(text, &[]).ok();
    for id in site
        .engine
        .run(&["images", "--all", "--quiet", "--no-trunc", "--filter", "dangling=true"])
        .ok()
        .text()
        .lines()
    {
        site.engine.run(&["rmi", id]).ok();
    }
    site.build(text, &[]).ok();
    assert_eq!(site.inside("cat /x /y"), "x\ny");
}

/// The key says what a file was, and the image may have what it became: the next build of the old content took that.
#[test]
fn a_file_that_changes_while_a_step_uses_it_makes_no_false_cache() {
    let site = Site::new();
    site.file("input", "old\n");
    // While the step waits, the file that it has bound becomes another.
    let dockerfile = "FROM busybox\nRUN --mount=type=bind,target=/context sleep 3; cat /context/input >/got";
    site.file("Dockerfile", dockerfile);
    let running = site.command(&[]).spawn();
    tests::eventually("the step runs", || !site.engine.run(&["ps", "-q"]).ok().text().is_empty());
    site.file("input", "new\n");
    let built = running.wait().ok();
    assert!(built.stderr.contains("files changed while step"), "{built}");
    site.file("input", "old\n");
    let again = site.build(dockerfile, &[]).ok();
    assert!(!again.stderr.contains("CACHED"), "{again}");
    assert_eq!(site.inside("cat /got"), "old");
    assert_eq!(site.build(dockerfile, &[]).ok().stderr.matches("CACHED").count(), 1);
}

/// What was read once is not read again while inode, size and times are the same; the times can be set, one of them not.
#[test]
fn a_file_whose_size_and_time_stay_is_still_another_file() {
    let site = Site::new();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let write = |text: &str| {
        site.file("input", text);
        let file = std::fs::File::options().write(true).open(site.context.join("input")).unwrap();
        file.set_modified(time).unwrap();
    };
    for round in 0..tests::rounds(6, 100) {
        let text = format!("{:04}\n", round);
        write(&text);
        site.build("FROM busybox\nCOPY input /input", &[]).ok();
        assert_eq!(site.inside("cat /input"), text.trim_end());
    }
}

/// Without this nothing would ever be taken from what was read before, as tests have no old files.
#[test]
fn old_files_are_remembered_and_forgotten_with_the_cache() {
    let site = Site::new();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/dockerfiles");
    site.file("Dockerfile", "FROM scratch\nCOPY . /");
    let dockerfile = site.context.join("Dockerfile");
    let words = ["build", "--file", dockerfile.to_str().unwrap(), "--tag", "it", source];
    site.engine.run(&words).ok();
    let first = site.id();
    site.engine.run(&words).ok().stderr_has("CACHED");
    site.engine.command(&[&words[..], &["--no-cache"]].concat()).run().ok();
    let layers = |id: &str| site.engine.inspect(id, "{{json .RootFS.Layers}}");
    assert_eq!(layers(&first), layers("it"));
    site.engine.run(&["build", "cache", "prune", "--force"]).ok();
    let known = std::fs::read_dir(site.engine.root().join("build/digests")).unwrap().count();
    assert_eq!(known, 0);
}

/// As a CI does that throws its machine away.
#[test]
fn steps_go_to_another_machine_by_a_directory() {
    let text = "FROM busybox AS a\nRUN cat /proc/sys/kernel/random/uuid > /a\nFROM busybox\nCOPY --from=a /a /a\nCOPY input /input\n\
                RUN cat /proc/sys/kernel/random/uuid > /b";
    let site = Site::new();
    site.file("input", "x\n");
    let directory = site.engine.base().join("cache");
    let to = |mode: &str| format!("type=local,dest={},mode={mode}", directory.display());
    let from = format!("type=local,src={}", directory.display());
    // The first time there is none.
    site.build(text, &["--cache-from", &from, "--cache-to", &to("max")])
        .ok()
        .stderr_has("nothing is taken from the cache");
    let made = site.inside("cat /a /b");

    let other = Site::new();
    other.file("input", "x\n");
    let built = other.build(text, &["--cache-from", &from]).ok();
    assert_eq!(built.stderr.matches("CACHED").count(), 4, "{built}");
    assert_eq!(other.inside("cat /a /b"), made);
    other.engine.audit();
    // What came is a cache as any other: it is listed, and goes with it.
    other.engine.run(&["image", "prune", "--force"]).ok();
    other.engine.run(&["build", "cache", "ls"]).ok().stdout_has("COPY input /input");
    other.engine.run(&["build", "cache", "prune", "--force"]).ok();
    assert_eq!(other.inside("cat /a /b"), made);

    // Without the steps of other stages, these are done again, and what they give is another thing.
    site.build(text, &["--cache-to", &to("min")]).ok();
    let third = Site::new();
    third.file("input", "x\n");
    let built = third.build(text, &["--cache-from", &from]).ok();
    assert_eq!(built.stderr.matches("CACHED").count(), 0, "{built}");
    std::fs::write(directory.join("images.tar"), "nonsense").unwrap();
    let fourth = Site::new();
    fourth.build("FROM busybox\nRUN true", &["--cache-from", &from]).ok();
}

/// An image in a registry is its own cache: what its steps were stands in its history.
#[test]
fn steps_go_to_another_machine_with_the_image() {
    let registry = tests::Registry::plain();
    let name = format!("{}/app", registry.host());
    let text = "FROM busybox AS a\nRUN cat /proc/sys/kernel/random/uuid > /a\nFROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /b\n\
                ENV X=1\nRUN true\nCOPY input /input\nCOPY --from=a /a /a";
    let site = Site::new();
    site.file("input", "x\n");
    site.build(text, &["--tag", &name, "--cache-to", "type=inline"]).ok();
    site.engine.run(&["push", &name]).ok();
    let made = site.inside("cat /b /input");

    let other = Site::new();
    other.file("input", "x\n");
    let built = other.build(text, &["--cache-from", &name]).ok();
    // That of the other stage is no layer of the image, and gives another file; what copies it is done again.
    assert_eq!(built.stderr.matches("CACHED").count(), 3, "{built}");
    assert_eq!(other.inside("cat /b /input; env | grep ^X"), format!("{made}\nX=1"));
    other.engine.audit();
    other.file("input", "y\n");
    let built = other.build(text, &["--cache-from", &format!("type=registry,ref={name}")]).ok();
    assert_eq!(built.stderr.matches("CACHED").count(), 3, "{built}");

    let third = Site::new();
    third.file("input", "x\n");
    let nothing = format!("{}/nothing", registry.host());
    third
        .build(text, &["--cache-from", &nothing, "--cache-from", "busybox"])
        .ok()
        .stderr_has("nothing is taken from the cache in")
        .stderr_has("it tells no steps");
}
