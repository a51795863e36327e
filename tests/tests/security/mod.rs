//! Known escapes of other engines, one file a family, each with the use that its fix must not break.

mod accounts;
mod copying;
mod disguise;
mod entering;
mod extraction;
mod foreign_programs;
mod links;
mod races;
mod resolver;
mod spoofing;
mod templated;
mod volumes;
mod working_directory;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use tests::Engine;

/// What is known of a file: inode, mode, owner, group, device and content.
type Facts = (u64, u32, u32, u32, u64, Vec<u8>);

/// A directory of the host that nobody may change: names, inodes, owners, modes and content are kept.
struct Canary {
    path: PathBuf,
    before: BTreeMap<PathBuf, Facts>,
}

impl Canary {
    fn new(engine: &Engine) -> Self {
        let path = engine.base().join("canary");
        fs::create_dir_all(path.join("etc")).unwrap();
        // The names that attacks look for.
        for name in ["file", "ptmx", "null", "console", "etc/passwd", "etc/hosts"] {
            fs::write(path.join(name), format!("content of {name}")).unwrap();
        }
        let before = look(&path);
        Self { path, before }
    }

    fn text(&self) -> &str {
        self.path.to_str().unwrap()
    }

    #[track_caller]
    fn assert_unharmed(&self) {
        self.assert_unharmed_by("the attack");
    }

    #[track_caller]
    fn assert_unharmed_by(&self, what: &str) {
        assert_eq!(look(&self.path), self.before, "something of the host was changed by {what}");
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(self.text()), "something is mounted on the host");
    }
}

fn look(directory: &Path) -> BTreeMap<PathBuf, Facts> {
    let mut seen = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let meta = entry.path().symlink_metadata().unwrap();
        let content = if meta.is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
        let facts = (meta.ino(), meta.mode(), meta.uid(), meta.gid(), meta.rdev(), content);
        seen.insert(entry.path(), facts);
        if meta.is_dir() {
            seen.append(&mut look(&entry.path()));
        }
    }
    seen
}

/// Makes a root file system with busybox and nothing else, to be spoilt by a test.
fn tree(engine: &Engine, name: &str) -> PathBuf {
    let tree = engine.base().join(name);
    fs::create_dir_all(tree.join("bin")).unwrap();
    fs::copy(tests::busybox(), tree.join("bin/busybox")).unwrap();
    for applet in ["sh", "cat", "ls", "true", "id", "touch", "sleep", "readlink", "grep", "pwd"] {
        symlink("busybox", tree.join("bin").join(applet)).unwrap();
    }
    tree
}

/// What nobody but root of the host may read or write, when tried from a container.
fn core_pattern() -> Vec<u8> {
    fs::read("/proc/sys/kernel/core_pattern").unwrap()
}
