//! Pulls that end before their time.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;
use tests::{Engine, Registry, Relay, counting, eventually, rounds};

use super::seed;

/// What has come of the one blob that is fetched.
fn come(engine: &Engine) -> u64 {
    let Ok(entries) = fs::read_dir(engine.root().join("downloads")) else { return 0 };
    entries.map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn a_killed_pull_goes_on_where_it_was() {
    let (engine, registry) = (Engine::new(), Registry::plain());
    seed(&registry, "x:1", "busybox-docker.tar", &[]);
    let relay = Relay::before(registry.host());
    let name = format!("{}/x:1", relay.host());
    relay.let_through(400_000);
    let pull = engine.command(&["pull", &name]).spawn();
    eventually("half of the layer has come", || come(&engine) > 300_000);
    pull.signal(Signal::KILL);
    assert_ne!(pull.wait().code, 0);
    let here = come(&engine);
    assert!(engine.run(&["images", "--quiet"]).ok().stdout.is_empty());

    relay.let_through(u64::MAX);
    relay.forget();
    engine.run(&["pull", &name]).ok();
    let asked = relay.asked().to_lowercase();
    assert!(asked.contains(&format!("range: bytes={here}-")), "{here} were here: {asked}");
    assert_eq!(asked.matches("range: ").count(), 1, "{asked}");
    engine.run(&["run", "--rm", &name, "echo", "whole"]).ok().prints("whole");
    // The workspace of the killed one has gone too.
    engine.audit();
}

#[test]
fn what_came_of_a_pull_counts_as_reclaimable_and_prune_frees_it() {
    let (engine, registry) = (Engine::new(), Registry::plain());
    seed(&registry, "x:1", "busybox-docker.tar", &[]);
    let relay = Relay::before(registry.host());
    relay.let_through(400_000);
    let pull = engine.command(&["pull", &format!("{}/x:1", relay.host())]).spawn();
    eventually("half of the layer has come", || come(&engine) > 300_000);
    pull.signal(Signal::INT);
    assert_ne!(pull.wait().code, 0);
    engine.mend();
    let reclaimable = || {
        let shown = engine.run(&["system", "df", "--format", "{{.Type}} {{.Reclaimable}}"]).ok();
        shown.stdout.lines().find_map(|line| line.strip_prefix("Engine ").map(str::to_owned)).unwrap()
    };
    assert!(reclaimable().contains("kB"), "{}", reclaimable());
    engine.run(&["image", "prune", "--force"]).ok().stdout_has("kB");
    assert_eq!(come(&engine), 0);
    assert!(reclaimable().starts_with("0B"), "{}", reclaimable());
}

#[test]
fn a_pull_killed_at_any_step_leaves_nothing_that_the_audit_does_not_mend() {
    let (maker, registry) = (Engine::new(), Registry::plain());
    let name = small(&maker, &registry);
    let engine = maker.beside();
    let binary = counting();
    let marker = engine.base().join("struck");
    for number in (1..).step_by(rounds(3, 1)) {
        let _ = fs::remove_file(&marker);
        let wish = format!("command:{number}:{}", marker.display());
        let pull = engine.command_as(&binary, &["pull", &name]).env("CORACLE_FAILPOINT", wish);
        let output = pull.timeout(Duration::from_secs(30)).run();
        if !marker.exists() {
            output.ok();
            assert!(number > 10, "{number} steps are too few to be all");
            break;
        }
        engine.mend();
        // Acknowledged or absent: what is listed runs.
        let listed = engine.run(&["images", "--quiet"]).ok();
        if !listed.stdout.is_empty() {
            engine.run(&["run", "--rm", "--pull", "never", listed.text(), "/busybox", "true"]).ok();
            engine.run(&["rmi", "--force", listed.text()]).ok();
        }
    }
    engine.run(&["run", "--rm", "--pull", "never", &name, "/busybox", "echo", "whole"]).ok().prints("whole");
}

/// Publishes an image of two layers with a few files each: each is a step.
fn small(maker: &Engine, registry: &Registry) -> String {
    let tree = maker.base().join("tree");
    fs::create_dir_all(tree.join("dir")).unwrap();
    fs::copy(tests::busybox(), tree.join("busybox")).unwrap();
    std::os::unix::fs::symlink("busybox", tree.join("link")).unwrap();
    tests::import(maker, &tree, "small");
    maker.run(&["run", "--name", "box", "small", "/busybox", "touch", "/dir/second"]).ok();
    let name = registry.name("small:1");
    maker.run(&["commit", "box", &name]).ok();
    maker.run(&["push", &name]).ok();
    name
}
