//! `save`, and `load` of what it wrote.

use std::collections::BTreeSet;
use std::fs;

use tests::{Engine, Invocation};

use super::{changed, listing};

/// Saves to a file and returns its path.
fn save(engine: &Engine, name: &str, words: &[&str]) -> String {
    let path = engine.base().join(name).display().to_string();
    engine.run(&[&["save", "-o", &path], words].concat()).ok().quiet();
    path
}

fn blobs(archive: &str) -> BTreeSet<String> {
    let names = listing(&fs::read(archive).unwrap());
    names
        .into_keys()
        .filter_map(|name| Some(name.strip_prefix("blobs/sha256/")?.to_owned()))
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn what_is_saved_is_loaded_as_the_same_images() {
    let engine = Engine::new();
    let (busybox, layers) = (engine.image("busybox"), engine.image("layers"));
    changed(&engine, "box");
    engine.run(&["commit", "box", "made/here:1"]).ok();
    let saved = [&*busybox, "made/here:1", &layers];
    let archive = save(&engine, "all.tar", &saved);
    // Each blob once, though two of the images share a layer.
    let listed = listing(&fs::read(&archive).unwrap());
    assert!(listed.contains_key("manifest.json") && listed.contains_key("index.json"), "{listed:#?}");
    for format in ["docker-archive", "oci-archive"] {
        let one = save(&engine, &format!("{format}.tar"), &[&["--format", format], &saved[..]].concat());
        let other = Engine::new();
        other.run(&["load", "-i", &one]).ok().stdout_has("Loaded image: made/here:1");
        other.run(&["run", "--rm", "made/here:1", "cat", "/usr/new"]).ok().prints("new");
    }
    let other = Engine::new();
    other.run(&["load", "-i", &archive]).ok().stdout_has("Loaded image: busybox:latest");
    for name in saved {
        let ids = [&engine, &other].map(|engine| engine.inspect(name, "{{.Id}} {{json .RepoDigests}}"));
        assert_eq!(ids[0], ids[1], "{name}");
    }
    // And saved from there it is the same archive.
    let again = save(&other, "again.tar", &saved);
    assert!(fs::read(&archive).unwrap() == fs::read(&again).unwrap());
    other
        .run(&["run", "--rm", "made/here:1", "sh", "-c", "cat /usr/hard; test ! -e /etc/passwd"])
        .ok()
        .prints("new");
    other.audit();
}

#[test]
fn a_name_without_a_tag_saves_all_of_the_repository_and_an_id_saves_no_name() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    engine.run(&["tag", &image, "many:1"]).ok();
    engine.run(&["tag", &image, "many:2"]).ok();
    let names = |archive: &str| {
        let other = Engine::new();
        let loaded = other.run(&["load", "-i", archive]).ok();
        loaded.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let all = save(&engine, "all.tar", &["many"]);
    assert_eq!(names(&all), ["Loaded image: many:1", "Loaded image: many:2"]);
    assert_eq!(names(&save(&engine, "one.tar", &["many:2"])), ["Loaded image: many:2"]);
    let id = engine.inspect(&image, "{{.Id}}");
    assert_eq!(names(&save(&engine, "id.tar", &[&id])), [format!("Loaded image ID: {id}")]);
    assert_eq!(blobs(&all), blobs(&save(&engine, "id.tar", &[&id])));
    engine.run(&["save", "-o", "/tmp/never", "many:1", "nosuch"]).fails_with(1).error_names(&["nosuch"]);
    assert!(!fs::exists("/tmp/never").unwrap());
    engine.run(&["save", "-o", "/nosuch/x.tar", "many:1"]).fails_with(1).error_names(&["/nosuch/x.tar"]);
    engine.run(&["save", "--format", "zip", "many"]).fails_with(125).error_names(&["zip"]);
}

#[test]
fn others_read_what_is_saved() {
    let engine = Engine::new();
    engine.image("busybox");
    changed(&engine, "box");
    engine.run(&["exec", "box", "sh", "-c", "truncate -s 300M /hole; echo end >> /hole"]).ok();
    engine.run(&["commit", "box", "made/here:1"]).ok();
    let archive = save(&engine, "saved.tar", &["made/here:1"]);
    assert!(fs::metadata(&archive).unwrap().len() < 10_000_000, "a hole was written out");
    for source in [format!("docker-archive:{archive}:made/here:1"), format!("oci-archive:{archive}:1")] {
        let target = engine.base().join(if source.starts_with("oci") { "oci" } else { "docker" });
        let copy = format!("oci:{}:x", target.display());
        Invocation::new("skopeo", &["copy", "--quiet", "--insecure-policy", &source, &copy]).run().ok();
        // Back again from what skopeo has written.
        let back = engine.base().join("back.tar").display().to_string();
        let _ = fs::remove_file(&back);
        let target = format!("docker-archive:{back}:back:1");
        Invocation::new("skopeo", &["copy", "--quiet", "--insecure-policy", &copy, &target]).run().ok();
        let other = Engine::new();
        other.run(&["load", "-i", &back]).ok().stdout_has("Loaded image: back:1");
        let script = "stat -c %s /hole; cat /usr/hard; stat -c %a:%u:%g /keep; test ! -e /etc/passwd";
        let read = other.run(&["run", "--rm", "back:1", "sh", "-c", script]).ok();
        read.prints("314572804\nnew\n1777:33:44");
    }
}

#[test]
fn a_blob_that_was_damaged_is_told_and_not_saved() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    changed(&engine, "box");
    engine.run(&["commit", "box", "made:1"]).ok();
    // A file of a layer that is packed anew.
    let layers = engine.root().join("layers");
    let new = fs::read_dir(&layers)
        .unwrap()
        .flatten()
        .map(|entry| entry.path().join("fs/usr/new"))
        .find(|path| path.exists());
    fs::write(new.unwrap(), "NEW").unwrap();
    let path = engine.base().join("never.tar");
    let failed = engine.run(&["save", "-o", path.to_str().unwrap(), "made:1"]).fails_with(1);
    failed.error_names(&["made:1", "layer sha256:", "as it lies in the store"]);
    assert!(!path.exists());
    // The largest blob is the layer of busybox.
    let blobs = fs::read_dir(engine.root().join("blobs/sha256")).unwrap().flatten();
    let largest = blobs.max_by_key(|blob| blob.metadata().unwrap().len()).unwrap().path();
    let mut bytes = fs::read(&largest).unwrap();
    bytes[100_000] ^= 1;
    fs::write(&largest, bytes).unwrap();
    let failed = engine.run(&["save", "-o", path.to_str().unwrap(), &image]).fails_with(1);
    failed.error_names(&["blob in the store", "expected sha256:"]);
    assert_eq!(
        fs::read_dir(engine.base())
            .unwrap()
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().contains("never"))
            .count(),
        0
    );
}
