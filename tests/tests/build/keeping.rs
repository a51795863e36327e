//! What lasts after builds: their history, and a cache that keeps within its bounds.

use std::fs;

use rustix::process::Signal;

use super::{Site, holds};

/// Of a build in the list: what `--format` says of it.
fn listed(site: &Site, format: &str) -> Vec<String> {
    let output = site.engine.run(&["build", "history", "ls", "--format", format]).ok();
    output.text().lines().map(str::to_owned).collect()
}

#[test]
fn a_build_is_told_by_the_history_with_what_it_has_printed() {
    let site = Site::new();
    let text = "FROM busybox\nARG WHO=x\nRUN echo hello $WHO\nRUN test $WHO != bad";
    site.build(text, &["--build-arg", "WHO=me", "--build-arg", "https_proxy=http://u:pw@host"]).ok();
    site.build(text, &["--build-arg", "WHO=me"]).ok();
    site.build(text, &["--build-arg", "WHO=bad"]).fails_with(1);
    site.build("FROM nowhere:at-all", &["--target", "there"]).fails_with(1);
    let all = listed(&site, "{{.Name}} {{.Status}} {{.CachedSteps}}/{{.TotalSteps}}");
    assert_eq!(
        all,
        ["context (there) Error 0/0", "context Error 0/2", "context Completed 2/2", "context Completed 0/2"]
    );
    let ids = listed(&site, "{{.ID}}");
    let inspect = |format: &str| {
        let words = ["build", "history", "inspect", "--format", format, &ids[3]];
        site.engine.run(&words).ok().text().to_owned()
    };
    assert_eq!(
        inspect("{{.Image}} {{json .Tags}} {{json .BuildArgs}}"),
        format!("{} [\"it\"] {{\"WHO\":\"me\"}}", site.id())
    );
    assert_eq!(inspect("{{.Context}}"), site.context.to_str().unwrap());
    let failed = site.engine.run(&["build", "history", "inspect", "--format", "{{.Error}}", &ids[1]]).ok();
    failed.stdout_has("returned a non-zero code: 1").stdout_has("Dockerfile:4:1");
    site.engine.run(&["build", "history", "logs", &ids[3]]).ok().stdout_has("hello me\n#1 DONE");
    site.engine.run(&["build", "history", "logs", &ids[2]]).ok().stdout_has("#1 CACHED");
    site.engine
        .run(&["build", "history", "logs", "nothing"])
        .fails_with(1)
        .error_names(&["nothing", "history ls"]);
    site.engine.run(&["build", "history", "rm", &ids[1]]).ok().prints(&format!("{}\n", ids[1]));
    assert_eq!(listed(&site, "{{.ID}}").len(), 3);
    site.engine.run(&["build", "history", "rm", "--all"]).ok();
    assert_eq!(site.engine.run(&["build", "history", "ls", "--quiet"]).ok().text(), "");
}

/// A command may print its secret; whoever runs the build sees that, and nobody afterwards.
#[test]
fn a_secret_that_is_printed_does_not_get_into_the_log() {
    let site = Site::new();
    let secret = format!("printed-{}", std::process::id());
    site.file("Dockerfile", "FROM busybox\nRUN --mount=type=secret,id=s cat /run/secrets/s");
    let built = site.command(&["--secret", "id=s,env=OF_CALLER"]).env("OF_CALLER", &secret).run().ok();
    assert!(built.stderr.contains(&secret), "{built}");
    site.engine.run(&["build", "history", "logs"]).ok().stdout_has(" ***\n");
    assert_eq!(holds(&site.engine.root(), &secret), "");
}

#[test]
fn a_build_that_was_killed_is_no_running_one_and_the_history_is_bounded() {
    let site = Site::new();
    site.file("Dockerfile", "FROM busybox\nRUN sleep 1000");
    let config = site.engine.base().join("config.toml");
    fs::write(&config, "[build]\nhistory = 3\n").unwrap();
    let running = site.command(&[]).spawn();
    tests::eventually("the step runs", || !site.engine.run(&["ps", "-q"]).ok().text().is_empty());
    assert_eq!(listed(&site, "{{.Status}}"), ["Running"]);
    site.engine
        .run(&["build", "history", "rm", &listed(&site, "{{.ID}}")[0]])
        .fails_with(1)
        .error_names(&["is running"]);
    running.signal(Signal::KILL);
    assert_ne!(running.wait().code, 0);
    tests::eventually("the build is gone", || listed(&site, "{{.Status}}") == ["Error"]);
    site.engine
        .run(&["build", "history", "inspect", "--format", "{{.Error}}"])
        .ok()
        .prints("the builder was killed\n");
    for number in 0..4 {
        let label = format!("n={number}");
        site.file("Dockerfile", "FROM busybox");
        site.command(&["--label", &label]).env("CORACLE_CONFIG", &config).run().ok();
    }
    assert_eq!(listed(&site, "{{.Status}}"), ["Completed"; 3]);
    let kept = fs::read_dir(site.engine.root().join("build/history")).unwrap().count();
    assert_eq!(kept, 6, "a record and a log each");
}

#[test]
fn the_cache_has_a_row_of_its_own_and_keeps_within_its_bounds() {
    let site = Site::new();
    let df = |site: &Site| {
        let format = "{{.Type}}: {{.TotalCount}} {{.Size}}";
        let output = site.engine.run(&["system", "df", "--format", format]).ok();
        let found = output.text().lines().find(|line| line.starts_with("Build Cache")).map(str::to_owned);
        found.unwrap()
    };
    assert_eq!(df(&site), "Build Cache: 0 0B");
    // Two megabytes that only the cache has, one in a mount, one in the image.
    let text = "FROM busybox AS a\nRUN head -c 2000000 /dev/urandom > /two\nFROM busybox\nCOPY --from=a /bin/true /t\n\
                RUN --mount=type=cache,target=/c head -c 1000000 /dev/urandom > /c/one && head -c 1000000 /dev/urandom > /own";
    site.build(text, &[]).ok();
    let row = df(&site);
    assert!(row.starts_with("Build Cache: 4 3.") && row.ends_with("MB"), "{row}");

    // What the image has costs nothing; the rest goes when something is built.
    let config = site.engine.base().join("config.toml");
    fs::write(&config, "[build]\ncache-size = \"1k\"\n").unwrap();
    site.file("Dockerfile", "FROM busybox\nRUN true");
    site.command(&[]).env("CORACLE_CONFIG", &config).run().ok();
    let caches = site.engine.run(&["build", "cache", "ls"]).ok();
    assert!(!caches.text().contains("cache mount") && !caches.text().contains("/two"), "{}", caches.text());
    site.engine.audit();
    site.build(text, &[]).ok();
    assert_eq!(site.inside("wc -c < /own"), "1000000");
}

#[test]
fn pruning_by_age_takes_steps_that_nobody_has_used_for_so_long() {
    let site = Site::new();
    site.build("FROM busybox\nRUN true", &[]).ok();
    let steps = || site.engine.run(&["build", "cache", "ls"]).ok().text().lines().count() - 1;
    site.engine.run(&["system", "prune", "--force", "--filter", "until=1h"]).ok();
    assert_eq!(steps(), 1);
    site.engine.run(&["system", "prune", "--force", "--filter", "label=x"]).ok();
    assert_eq!(steps(), 1);
    site.engine.run(&["system", "prune", "--force", "--filter", "until=0s"]).ok();
    assert_eq!(steps(), 0);
}
