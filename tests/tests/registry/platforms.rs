//! Images of several platforms behind one name.

use serde_json::{Value, json};
use tests::{Engine, Invocation, Registry};

use super::raw;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OTHER: &str = if cfg!(target_arch = "aarch64") { "amd64" } else { "arm64" };

/// Puts an image of this machine and one of another behind `both:1`; returns the name.
fn publish(registry: &Registry) -> String {
    let maker = Engine::new();
    let archive = xtask::images::ensure("busybox").unwrap().join("busybox.tar");
    let archive = archive.to_str().unwrap();
    let mut entries = Vec::new();
    let ours = tests::architecture();
    for architecture in [OTHER, ours] {
        let name = registry.name(&format!("both:{architecture}"));
        let platform = format!("linux/{architecture}");
        let cmd = format!("CMD [\"echo\", \"{architecture}\"]");
        maker.run(&["import", "--platform", &platform, "--change", &cmd, archive, &name]).ok();
        let pushed = maker.run(&["push", &name]).ok();
        let digest = pushed.stdout.split_whitespace().find(|word| word.starts_with("sha256:")).unwrap();
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        entries.push(json!({
            "mediaType": media_type, "digest": digest, "size": raw(&name).len(),
            "platform": { "os": "linux", "architecture": architecture },
        }));
    }
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries }).to_string();
    let address = format!("http://{}/v2/both/manifests/1", registry.host());
    let header = format!("Content-Type: {INDEX}");
    let words = ["--silent", "--fail", "-X", "PUT", "-H", &header, "--data-binary", "@-", &address];
    Invocation::new("curl", &words).stdin(index).run().ok();
    registry.name("both:1")
}

#[test]
fn of_several_platforms_this_one_is_taken_or_the_one_that_was_asked_for() {
    let (engine, registry) = (Engine::new(), Registry::plain());
    let name = publish(&registry);
    let shown = |field: &str| engine.inspect(&name, field);
    engine.run(&["pull", &name]).ok();
    assert_eq!(shown("{{.Architecture}}"), tests::architecture());
    engine.run(&["run", "--rm", &name]).ok().prints(tests::architecture());
    let digests = shown("{{json .RepoDigests}}");
    engine.run(&["pull", "--platform", &format!("linux/{OTHER}"), &name]).ok();
    assert_eq!(shown("{{.Architecture}}"), OTHER);
    // The name at the registry is that of the index, whichever was taken of it.
    assert_eq!(shown("{{json .RepoDigests}}"), digests);
    let refused = engine.run(&["pull", "--platform", "linux/s390x", &name]).fails_with(1);
    refused.error_names(&["linux/s390x", OTHER]);
    // What is here for another platform is not what `run` wants.
    let ours = format!("linux/{}", tests::architecture());
    engine.run(&["run", "--rm", "--platform", &ours, &name]).ok().prints(tests::architecture());
    // A name that leads to one platform's image leads to no other's, whether it is here already or not.
    let single = registry.name(&format!("both:{}", tests::architecture()));
    let other = format!("linux/{OTHER}");
    for words in
        [&["pull", "--platform", &other, &single][..], &["run", "--rm", "--platform", &other, &single]]
    {
        let refused = engine.run(words);
        assert!(refused.code != 0 && refused.stderr.contains(&other), "{refused}");
        engine.run(&["pull", &single]).ok();
    }
}

#[test]
fn an_index_is_pushed_with_all_that_it_names_or_not_at_all() {
    let (engine, registry) = (Engine::new(), Registry::plain());
    let name = publish(&registry);
    let index: Value = serde_json::from_slice(&raw(&name)).unwrap();
    engine.run(&["pull", &name]).ok();
    let second = Registry::plain();
    // A new name leads to the image of one platform, as the tag does that it is taken from.
    let copy = second.name("copy:1");
    engine.run(&["tag", &name, &copy]).ok();
    engine.run(&["push", &copy]).ok();
    let manifest: Value = serde_json::from_slice(&raw(&copy)).unwrap();
    assert!(manifest["layers"].is_array(), "{manifest}");
    // The registry that has the rest keeps the index under its own name.
    engine.run(&["push", &name]).ok().quiet();
    assert_eq!(serde_json::from_slice::<Value>(&raw(&name)).unwrap(), index);
}
