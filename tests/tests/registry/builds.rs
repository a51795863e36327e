//! Builds on images that are at a registry.

use std::fs;

use tests::{Engine, Registry};

/// Makes an image that holds this text, and has it at the registry alone.
fn publish(engine: &Engine, name: &str, text: &str) {
    let image = engine.image("busybox");
    engine.run(&["run", "--name", "maker", &image, "sh", "-c", &format!("echo {text} > /text")]).ok();
    engine.run(&["commit", "maker", name]).ok();
    engine.run(&["rm", "maker"]).ok();
    engine.run(&["push", name]).ok();
    engine.run(&["rmi", "--force", name]).ok();
}

#[test]
fn bases_and_sources_that_are_not_here_are_pulled() {
    let (maker, registry) = (Engine::new(), Registry::plain());
    let (base, other) = (registry.name("base:1"), registry.name("other:1"));
    publish(&maker, &base, "first");
    publish(&maker, &other, "other");
    let engine = maker.beside();
    let context = engine.base().join("context");
    fs::create_dir(&context).unwrap();
    let dockerfile = format!("FROM {base}\nCOPY --from={other} /text /other\nRUN cat /text /other > /both\n");
    fs::write(context.join("Dockerfile"), dockerfile).unwrap();
    let context = context.to_str().unwrap();
    // To look at a Dockerfile nothing is fetched.
    engine.run(&["build", "--check", context]).ok();
    assert!(engine.run(&["images", "--quiet"]).ok().stdout.is_empty());
    engine.run(&["build", "--quiet", "--tag", "it", context]).ok();
    let built = || engine.run(&["run", "--rm", "it", "cat", "/both"]).ok().text().to_owned();
    assert_eq!(built(), "first\nother");

    // The registry has another one by now: what is here is good enough, unless it is to be looked after.
    publish(&maker, &base, "second");
    engine.run(&["build", "--tag", "it", context]).ok();
    assert_eq!(built(), "first\nother");
    engine.run(&["build", "--pull", "--tag", "it", context]).ok();
    assert_eq!(built(), "second\nother");
    let missing = format!("FROM {}\n", registry.name("missing:1"));
    fs::write(format!("{context}/Dockerfile"), missing).unwrap();
    engine.run(&["build", context]).fails_with(1).error_names(&["missing:1", "manifest unknown"]);
}
