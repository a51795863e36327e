//! Registries: a real one, and the programs of others at its other end.

mod access;
mod builds;
mod interrupted;
mod platforms;

use std::time::Duration;

use serde_json::Value;
use tests::{Engine, Invocation, Output, Registry};

fn skopeo(arguments: &[&str]) -> Output {
    Invocation::new("/usr/bin/skopeo", arguments).timeout(Duration::from_secs(120)).run().ok()
}

/// Puts a test image into a registry by a program of others, in one of its forms.
fn seed(registry: &Registry, rest: &str, archive: &str, more: &[&str]) -> String {
    let path = xtask::images::ensure("busybox").unwrap().join(archive);
    let name = registry.name(rest);
    let source = format!(
        "{}:{}",
        if archive.contains("docker") { "docker-archive" } else { "oci-archive" },
        path.display()
    );
    let target = format!("docker://{name}");
    let arguments = [&["copy", "--quiet", "--dest-tls-verify=false"], more, &[&*source, &*target]].concat();
    skopeo(&arguments);
    name
}

fn raw(name: &str) -> Vec<u8> {
    let output = skopeo(&["inspect", "--raw", "--tls-verify=false", &format!("docker://{name}")]);
    output.stdout.into_bytes()
}

#[test]
fn an_image_is_pulled_run_and_pushed_as_it_came() {
    let (engine, registry) = (Engine::new(), Registry::plain());
    let name = seed(&registry, "team/busybox:1", "busybox-docker.tar", &[]);
    let pulled = engine.run(&["pull", &name]).ok();
    assert!(pulled.stdout.contains("1: Pulling from"), "{pulled}");
    assert!(pulled.stdout.contains(": Pull complete\n"), "{pulled}");
    assert!(
        pulled.stdout.ends_with(&format!("Status: Downloaded newer image for {name}\n{name}\n")),
        "{pulled}"
    );
    engine.run(&["run", "--rm", &name, "echo", "hello"]).ok().prints("hello");
    engine.run(&["pull", &name]).ok().stdout_has(&format!("Status: Image is up to date for {name}"));
    engine.run(&["pull", "--quiet", &name]).ok().prints(&name);

    // Elsewhere in the same registry: nothing is sent, and the bytes are the same.
    let target = registry.name("other/copy:2");
    engine.run(&["tag", &name, &target]).ok();
    engine.run(&["push", &target]).ok().stdout_has("Mounted from another repository");
    assert_eq!(raw(&target), raw(&name));
    engine.run(&["push", &target]).ok().stdout_has("Layer already exists");

    // In another registry: the layer is sent as it came.
    let second = Registry::plain();
    let target = second.name("copy:3");
    engine.run(&["tag", &name, &target]).ok();
    engine.run(&["push", &target]).ok().stdout_has(": Pushed\n");
    assert_eq!(raw(&target), raw(&name));
    let manifest: Value = serde_json::from_slice(&raw(&name)).unwrap();
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    assert!(registry.stored(layer).is_some());
    assert_eq!(second.stored(layer), registry.stored(layer));
    engine.audit();
}

#[test]
fn images_by_digest_show_it_and_run() {
    let (engine, registry) = (Engine::new(), Registry::plain());
    let name = seed(&registry, "x:1", "busybox-oci.tar.gz", &[]);
    engine.run(&["pull", &name]).ok();
    let listed = engine.run(&["images", "--digests", "--format", "{{.Tag}} {{.Digest}}"]).ok();
    let digest = listed.text().strip_prefix("1 ").expect("one image").to_owned();
    let by_digest = format!("{}@{digest}", registry.name("x"));
    engine.run(&["rmi", &name]).ok();
    engine.run(&["run", "--rm", &by_digest, "echo", "by digest"]).ok().prints("by digest");
    let digests = engine
        .run(&["image", "inspect", "--format", "{{json .RepoDigests}} {{json .RepoTags}}", &by_digest])
        .ok();
    digests.prints(&format!("[\"{by_digest}\"] []"));
    engine
        .run(&["images", "--format", "{{.Repository}} {{.Tag}}"])
        .ok()
        .prints(&format!("{} <none>", registry.name("x")));
    engine.run(&["pull", &format!("{}@sha256:{}", registry.name("x"), "0".repeat(64))]).fails_with(1);
}

#[test]
fn run_and_create_pull_as_they_are_told() {
    let (engine, registry) = (Engine::new(), Registry::plain());
    let name = seed(&registry, "x:1", "busybox-docker.tar", &[]);
    engine
        .run(&["run", "--rm", "--pull", "never", &name, "true"])
        .fails_with(125)
        .error_names(&["Unable to find image"]);
    let run = engine.run(&["run", "--rm", &name, "echo", "out"]).ok();
    assert_eq!(run.stdout, "out\n");
    assert!(run.stderr.contains(&format!("Unable to find image '{name}' locally")), "{run}");
    engine.run(&["run", "--rm", "--pull", "never", &name, "echo", "here"]).ok().quiet().prints("here");
    let always = engine.run(&["run", "--rm", "--pull", "always", &name, "true"]).ok();
    assert!(always.stderr.contains("Status: Image is up to date"), "{always}");
    engine.run(&["rmi", &name]).ok();
    let created = engine.run(&["create", "--quiet", &name, "true"]).ok();
    assert_eq!(created.text().len(), 64, "{created}");
    // What cannot be fetched is told, and no container is made.
    let missing = registry.name("nothing:1");
    engine.run(&["run", &missing, "true"]).fails_with(125).error_names(&["manifest unknown"]);
    assert_eq!(engine.containers().len(), 1);
}

#[test]
fn all_tags_go_and_come() {
    let (engine, registry) = (Engine::new(), Registry::plain());
    let image = engine.image("busybox");
    for tag in ["one", "two", "three"] {
        engine.run(&["tag", &image, &registry.name(&format!("many:{tag}"))]).ok();
    }
    let pushed = engine.run(&["push", "--all-tags", &registry.name("many")]).ok();
    for tag in ["one", "two", "three"] {
        assert!(pushed.stdout.contains(&format!("{tag}: digest: sha256:")), "{pushed}");
    }
    let other = engine.beside();
    other.run(&["pull", "--all-tags", &registry.name("many")]).ok();
    let tags = other.run(&["images", "--format", "{{.Tag}}"]).ok();
    let mut tags: Vec<&str> = tags.stdout.lines().collect();
    tags.sort_unstable();
    assert_eq!(tags, ["one", "three", "two"]);
    other.run(&["run", "--rm", &registry.name("many:two"), "echo", "runs"]).ok().prints("runs");
}

#[test]
fn what_a_container_became_goes_to_a_registry_and_comes_back() {
    let (engine, registry) = (Engine::new(), Registry::plain());
    let image = engine.image("busybox");
    let name = registry.name("made:1");
    engine.run(&["run", "--name", "box", &image, "sh", "-c", "echo made > /made"]).ok();
    engine.run(&["commit", "box", &name]).ok();
    engine.run(&["push", &name]).ok();
    let other = engine.beside();
    other.run(&["run", "--rm", "--quiet", &name, "cat", "/made"]).ok().prints("made");
}

#[test]
fn manifests_and_what_refers_to_them_are_shown() {
    let (engine, registry) = (Engine::new(), Registry::plain());
    let name = seed(&registry, "x:1", "busybox-oci.tar.gz", &[]);
    let shown = engine.run(&["manifest", "inspect", &name]).ok();
    let document: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(document, serde_json::from_slice::<Value>(&raw(&name)).unwrap());
    let shown = engine.run(&["manifest", "inspect", "--referrers", &name]).ok();
    assert_eq!(serde_json::from_str::<Value>(&shown.stdout).unwrap()["manifests"], serde_json::json!([]));
}

#[test]
fn others_read_what_we_push_and_we_what_they_push() {
    let (engine, registry) = (Engine::new(), Registry::plain());
    let image = engine.image("busybox");
    let ours = registry.name("ours:1");
    engine.run(&["tag", &image, &ours]).ok();
    engine.run(&["push", &ours]).ok();
    // skopeo verifies all that it copies.
    let layout = format!("oci:{}:x", engine.base().join("layout").display());
    skopeo(&["copy", "--quiet", "--src-tls-verify=false", &format!("docker://{ours}"), &layout]);
    for (rest, format) in [("theirs:oci", "oci"), ("theirs:v2s2", "v2s2")] {
        let theirs = registry.name(rest);
        let target = format!("docker://{theirs}");
        skopeo(&["copy", "--quiet", "--dest-tls-verify=false", "--format", format, &layout, &target]);
        engine.run(&["run", "--rm", "--quiet", &theirs, "echo", format]).ok().prints(format);
    }
}
