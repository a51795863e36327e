//! The places of one build: on disk, and in memory for what must not come on disk.

use std::path::{Path, PathBuf};

use store::Lock;
use sys::Dir;

use crate::container::{ContainerRecord, all_containers, random_id, remove_tree};
use crate::error::Result;
use crate::paths::Engine;
use crate::request::RemoveRequest;

/// Held by every build, so that nothing is collected meanwhile.
pub(super) const BUILDS: &str = "lock";

/// Directories that go with the build.
#[derive(Debug)]
pub(super) struct Work {
    id: String,
    directory: PathBuf,
    secrets: PathBuf,
    _lock: Lock,
    _builds: Lock,
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
        let builds = Lock::shared(Dir::open(engine.root.join("build"))?, BUILDS)?;
        sweep(engine, &parent, &memory)?;
        let id = random_id()?;
        let (directory, secrets) = (parent.join(&id), memory.join(&id));
        for path in [&directory, &secrets] {
            sys::fs::create_dir_all(path)?;
            sys::fs::set_mode(path, 0o700)?;
        }
        let lock = Lock::exclusive(Dir::open(&directory)?, "lock")?;
        Ok(Self { id, directory, secrets, _lock: lock, _builds: builds })
    }

    /// The name of the build.
    pub(super) fn id(&self) -> &str {
        &self.id
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

fn sweep(engine: &Engine, parent: &Path, memory: &Path) -> Result<()> {
    for entry in Dir::open(parent)?.list("")? {
        let path = parent.join(&entry.name);
        let Ok(directory) = Dir::open(&path) else { continue };
        if let Ok(Some(_lock)) = Lock::try_exclusive(directory, "lock") {
            remove_steps(engine, &entry.name.to_string_lossy())?;
            let _ = remove_tree(&memory.join(&entry.name));
            let _ = remove_tree(&path);
        }
    }
    Ok(())
}

/// Removes the containers of a build that was killed.
fn remove_steps(engine: &Engine, build: &str) -> Result<()> {
    let is_step = |record: &ContainerRecord| record.request.step_of.as_deref() == Some(build);
    let containers = all_containers(engine)?.into_iter().map(|container| container.record);
    let containers = containers.filter(is_step).map(|record| record.id).collect();
    // What cannot be removed now is seen by `ps --all`.
    drop(crate::container::remove(engine, &RemoveRequest { containers, force: true, volumes: true }));
    Ok(())
}
