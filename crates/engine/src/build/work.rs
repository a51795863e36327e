//! The places of one build: on disk, and in memory for what must not come on disk.

use std::path::{Path, PathBuf};

use store::Lock;
use sys::Dir;

use crate::container::{random_id, remove_tree};
use crate::error::Result;
use crate::paths::Engine;

/// Directories that go with the build.
#[derive(Debug)]
pub(super) struct Work {
    directory: PathBuf,
    secrets: PathBuf,
    _lock: Lock,
}

impl Work {
    /// Makes the places, and clears away what killed builds have left.
    pub(super) fn begin(engine: &Engine) -> Result<Self> {
        let parent = engine.root.join("build/work");
        let memory = engine.run_root.join("builds");
        for path in [&parent, &memory] {
            sys::fs::create_dir_all(path)?;
            sys::fs::set_mode(path, 0o700)?;
        }
        sweep(&parent, &memory)?;
        let id = random_id()?;
        let (directory, secrets) = (parent.join(&id), memory.join(&id));
        for path in [&directory, &secrets] {
            sys::fs::create_dir_all(path)?;
            sys::fs::set_mode(path, 0o700)?;
        }
        let lock = Lock::exclusive(Dir::open(&directory)?, "lock")?;
        Ok(Self { directory, secrets, _lock: lock })
    }

    /// Makes a directory with a name of its own.
    pub(super) fn directory(&self, purpose: &str) -> Result<PathBuf> {
        let path = self.directory.join(format!("{purpose}-{}", &random_id()?[..16]));
        sys::fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// Makes a directory in memory.
    pub(super) fn in_memory(&self) -> Result<PathBuf> {
        let path = self.secrets.join(&random_id()?[..16]);
        sys::fs::create_dir_all(&path)?;
        sys::fs::set_mode(&path, 0o700)?;
        Ok(path)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What cannot be removed now is found by the next build.
        let _ = remove_tree(&self.secrets);
        let _ = remove_tree(&self.directory);
    }
}

fn sweep(parent: &Path, memory: &Path) -> Result<()> {
    for entry in Dir::open(parent)?.list("")? {
        let path = parent.join(&entry.name);
        let Ok(directory) = Dir::open(&path) else { continue };
        if let Ok(Some(_lock)) = Lock::try_exclusive(directory, "lock") {
            let _ = remove_tree(&memory.join(&entry.name));
            let _ = remove_tree(&path);
        }
    }
    Ok(())
}
