//! Images made of a directory that a test has filled, for what no sane image holds.

use std::path::{Path, PathBuf};

use crate::{Engine, Invocation};

/// Returns a static busybox of the host.
#[track_caller]
pub fn busybox() -> PathBuf {
    let path = PathBuf::from("/bin/busybox");
    assert!(path.exists(), "busybox-static is missing: `cargo xtask images busybox` installs it");
    path
}

/// Imports a directory as an image.
#[track_caller]
pub fn import(engine: &Engine, tree: &Path, reference: &str) {
    import_with(engine, tree, reference, &[]);
}

/// Imports a directory as an image with changes of its configuration.
#[track_caller]
pub fn import_with(engine: &Engine, tree: &Path, reference: &str, changes: &[&str]) {
    let archive = engine.base().join(format!("{reference}.tar"));
    let archive = archive.to_str().unwrap();
    let tar = ["--create", "--numeric-owner", "--owner=0", "--group=0", "--file", archive, "--directory"];
    Invocation::new("tar", &[&tar[..], &[tree.to_str().unwrap(), "."]].concat()).run().ok();
    let changes: Vec<&str> = changes.iter().flat_map(|change| ["--change", change]).collect();
    engine.run(&[&["import"], changes.as_slice(), &[archive, reference]].concat()).ok();
}

/// Imports a directory whose files may have holes that are larger than the machine.
#[track_caller]
pub fn import_sparse(engine: &Engine, tree: &Path, reference: &str) {
    let archive = engine.base().join(format!("{reference}.tar"));
    let archive = archive.to_str().unwrap();
    let tar = ["--create", "--sparse", "--file", archive, "--directory", tree.to_str().unwrap(), "."];
    Invocation::new("tar", &tar).run().ok();
    engine.run(&["import", archive, reference]).ok();
}
