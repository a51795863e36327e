//! `system check`: damage is found, named, and repaired object by object.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tests::Engine;

use super::changed;

fn find(engine: &Engine, below: &str, wanted: impl Fn(&Path) -> bool) -> PathBuf {
    let entries = fs::read_dir(engine.root().join(below)).unwrap().flatten();
    entries.map(|entry| entry.path()).find(|path| wanted(path)).unwrap()
}

fn layer_with(engine: &Engine, file: &str) -> PathBuf {
    find(engine, "layers", |layer| layer.join("fs").join(file).exists()).join("fs").join(file)
}

/// Changes a byte in the middle and leaves no trace of it in the times.
fn flip(path: &Path) {
    let before = fs::metadata(path).unwrap();
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x20;
    fs::write(path, bytes).unwrap();
    let time = before.modified().unwrap();
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn what_is_whole_is_told_to_be() {
    let engine = Engine::new();
    engine.image("layers");
    engine.image("busybox");
    changed(&engine, "box");
    engine.run(&["commit", "box", "made:1"]).ok();
    let checked = engine.run(&["system", "check"]).ok();
    checked.stdout_has("blobs and ").stdout_has(" layers are what their digests say");
    engine.audit();
}

#[test]
fn a_file_of_a_layer_is_repaired_from_its_blob() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let group = layer_with(&engine, "etc/group");
    let before = fs::read(&group).unwrap();
    flip(&group);
    let hex = group.ancestors().nth(3).unwrap().file_name().unwrap().to_str().unwrap().to_owned();
    let checked = engine.run(&["system", "check"]).fails_with(1);
    checked
        .stdout_has(&hex)
        .stdout_has("damaged")
        .stdout_has("busybox:latest")
        .stdout_has("its files are not those of its blob");
    // Not under a container that runs on it.
    engine.run(&["run", "-d", "--name", "box", &image, "sleep", "1000"]).ok();
    engine
        .run(&["system", "check", "--repair"])
        .fails_with(1)
        .stdout_has("container `box` runs on it: stop it");
    engine.run(&["stop", "-t", "0", "box"]).ok();
    engine.run(&["system", "check", "--repair"]).ok().stdout_has("repaired");
    assert_eq!(fs::read(&group).unwrap(), before);
    engine.run(&["system", "check"]).ok().stdout_has("are what their digests say");
    engine.run(&["start", "box"]).ok();
    engine.run(&["exec", "box", "cat", "/etc/group"]).ok();
    // A mode is content too.
    engine.run(&["stop", "-t", "0", "box"]).ok();
    let mut mode = fs::metadata(&group).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o666);
    fs::set_permissions(&group, mode).unwrap();
    engine.run(&["system", "check", "--repair"]).ok().stdout_has("repaired");
    assert_eq!(fs::metadata(&group).unwrap().mode() & 0o777, 0o644);
    engine.audit();
}

#[test]
fn a_damaged_blob_is_removed_and_a_load_brings_it_again() {
    let engine = Engine::new();
    let image = engine.image("busybox");
    let archive = engine.base().join("saved.tar");
    engine.run(&["save", "-o", archive.to_str().unwrap(), &image]).ok();
    let large = |path: &Path| fs::metadata(path).unwrap().len() > 1_000_000;
    let blob = find(&engine, "blobs/sha256", large);
    flip(&blob);
    let checked = engine.run(&["system", "check"]).fails_with(1);
    checked.stdout_has("its bytes have digest sha256:").stdout_has("busybox:latest");
    engine
        .run(&["system", "check", "--repair"])
        .fails_with(1)
        .stdout_has("removed")
        .stdout_has("load or pull the image again");
    // Containers run on its layer all the same.
    engine.run(&["run", "--rm", &image, "true"]).ok();
    engine.run(&["load", "-i", archive.to_str().unwrap()]).ok();
    engine.run(&["system", "check"]).ok();
    engine.run(&["save", "-o", archive.to_str().unwrap(), &image]).ok();
    engine.audit();
}

#[test]
fn the_blob_of_a_layer_that_this_engine_packed_is_made_again() {
    let engine = Engine::new();
    engine.image("busybox");
    changed(&engine, "box");
    engine.run(&["exec", "box", "sh", "-c", "head -c 300000 /dev/urandom > /big"]).ok();
    engine.run(&["commit", "box", "made:1"]).ok();
    let archive = engine.base().join("saved.tar");
    engine.run(&["save", "-o", archive.to_str().unwrap(), "made:1"]).ok();
    // Elsewhere it has come as a blob.
    let other = Engine::new();
    other.run(&["load", "-i", archive.to_str().unwrap()]).ok();
    let middle = |path: &Path| (300_000..1_000_000).contains(&fs::metadata(path).unwrap().len());
    flip(&find(&other, "blobs/sha256", middle));
    other.run(&["system", "check", "--repair"]).ok().stdout_has("repaired");
    other.run(&["system", "check"]).ok();
    // Here there is no other copy: it is told.
    flip(&layer_with(&engine, "big"));
    engine
        .run(&["system", "check", "--repair"])
        .fails_with(1)
        .stdout_has("there is no other copy")
        .stdout_has("made:1");
}
