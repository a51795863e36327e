//! The directory that holds all images: opening it, its locks and its workspaces.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use rustix::fs::RenameFlags;
use rustix::io::Errno;
use store::{Durability, Lock, write_atomic};
use sys::{Context, Dir};

use crate::{Error, Result};

const LAYOUT: &str = "oci-layout";
const LAYOUT_VERSION: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
const GC_LOCK: &str = "gc";
/// Held by whoever works in a workspace; the kernel lets go of it when the process dies.
const WORKSPACE_LOCK: &str = "lock";

/// The images of one engine root.
#[derive(Debug)]
pub struct Images {
    path: PathBuf,
    pub(crate) root: Dir,
}

/// Keeps layers from being collected between looking an image up and using it.
#[derive(Debug)]
pub struct Lease {
    _lock: Lock,
}

impl Images {
    /// Opens the store below `root`, made where it is missing; its directories are private (0700):
    /// containers reach files through mounts alone (CVE-2021-41091, CVE-2024-25621).
    pub fn open(root: impl AsRef<Path>) -> Result<Self> {
        let path = root.as_ref().to_owned();
        let dir = match Dir::open(&path) {
            Err(error) if error.is_not_found() => {
                sys::fs::create_dir_all(&path)?;
                Dir::open(&path)?
            }
            other => other?,
        };
        let images = Self { path, root: dir.strict() };
        if !images.root.exists(LAYOUT)? {
            images.lay_out()?;
        }
        Ok(images)
    }

    /// The directory of the store.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the directories; the layout file comes last and says that all is there.
    fn lay_out(&self) -> Result<()> {
        for dir in
            ["blobs", "blobs/sha256", "layers", "images", "references", "snapshots", "staging", "locks"]
        {
            match self.root.mkdir(dir, 0o700) {
                Err(error) if error.errno() == Some(Errno::EXIST) => {}
                other => other?,
            }
        }
        Ok(write_atomic(&self.root, LAYOUT, LAYOUT_VERSION, Durability::Synced)?)
    }

    /// Keeps what exists from being collected until it is dropped. Hold it from [`Images::resolve`]
    /// until the snapshot is prepared, and no longer: removal waits for it.
    pub fn lease(&self) -> Result<Lease> {
        let locks = self.root.open_dir("locks")?;
        Ok(Lease { _lock: Lock::shared(&locks, GC_LOCK)? })
    }

    /// Keeps everybody else from looking images up, creating containers and committing images: for the moment of a
    /// removal, or of a look at all that is there.
    pub fn alone(&self) -> Result<Lease> {
        let locks = self.root.open_dir("locks")?;
        Ok(Lease { _lock: Lock::exclusive(&locks, GC_LOCK)? })
    }

    /// The same, unless it would have to wait.
    pub(crate) fn try_alone(&self) -> Result<Option<Lease>> {
        let locks = self.root.open_dir("locks")?;
        Ok(Lock::try_exclusive(&locks, GC_LOCK)?.map(|lock| Lease { _lock: lock }))
    }

    /// Takes the lock of a layer that is to be made.
    pub(crate) fn lock_layer(&self, hex: &str) -> Result<NamedLock> {
        self.lock(format!("layer-{hex}"))
    }

    /// Takes the lock of an image whose record is to be written.
    pub(crate) fn lock_image(&self, hex: &str) -> Result<NamedLock> {
        self.lock(format!("image-{hex}"))
    }

    /// Takes a lock by its name.
    pub(crate) fn lock(&self, name: String) -> Result<NamedLock> {
        let locks = self.root.open_dir("locks")?;
        let lock = Lock::exclusive(&locks, &name)?;
        Ok(NamedLock { lock: Some(lock), locks, name })
    }

    /// Makes a directory of one's own in which blobs and layers are prepared.
    pub(crate) fn workspace(&self, purpose: &str) -> Result<Workspace> {
        let staging = self.root.open_dir("staging")?;
        // Until its lock is held, a collector must not take it for an abandoned one.
        let _lease = self.lease()?;
        loop {
            let random = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
            let name = format!("{purpose}-{}-{:x}{:08x}", std::process::id(), random.tv_sec, random.tv_nsec);
            match staging.mkdir(&name, 0o700) {
                Err(error) if error.errno() == Some(Errno::EXIST) => continue,
                other => other?,
            }
            let locked = staging
                .open_dir(&name)
                .map_err(Error::from)
                .and_then(|dir| Ok((Lock::exclusive(&dir, WORKSPACE_LOCK)?, dir)));
            return match locked {
                Ok((lock, dir)) => Ok(Workspace { staging, name, dir, _lock: lock }),
                Err(error) => {
                    // On a full disk there may be room for one and not for the other.
                    let _ = staging.remove_tree(&name);
                    Err(error)
                }
            };
        }
    }

    /// Whether a workspace was left behind by a process that is gone.
    pub(crate) fn is_abandoned(&self, name: &str) -> Result<bool> {
        let dir = match self.root.open_dir(Path::new("staging").join(name)) {
            Err(error) if error.is_not_found() => return Ok(false),
            other => other?,
        };
        if !dir.exists(WORKSPACE_LOCK)? {
            // Between its making and its lock lie microseconds, or a crash.
            return Ok(now().abs_diff(dir.stat_self()?.st_mtime) > 60);
        }
        Ok(!Lock::is_held(&dir, WORKSPACE_LOCK)?)
    }

    fn remove_now(&self, path: &Path, bytes: &Cell<u64>) -> Result<bool> {
        let stat = match self.root.lstat(path) {
            Err(error) if error.is_not_found() => return Ok(false),
            other => other?,
        };
        let size = match rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() {
            true => self.root.open_dir(path)?.disk_usage()?,
            false => u64::try_from(stat.st_blocks).unwrap_or_default() * 512,
        };
        self.root.remove_tree(path)?;
        bytes.set(bytes.get() + size);
        Ok(true)
    }

    /// Makes a workspace for what is to be removed; without one where the disk is full.
    pub(crate) fn trash(&self, purpose: &str) -> Result<Trash> {
        match self.workspace(purpose) {
            Ok(workspace) => {
                let empty = workspace.dir.disk_usage()?;
                Ok(Trash { workspace: Some(workspace), empty, bytes: Cell::new(0) })
            }
            Err(error) if is_full(&error) => Ok(Trash { workspace: None, empty: 0, bytes: Cell::new(0) }),
            Err(error) => Err(error),
        }
    }

    /// Moves something out of sight into a workspace, whose end removes it: renaming is quick, so that
    /// others wait for the removal of a name and not of a million files. On a full disk, which has no room for another
    /// name, they wait.
    pub(crate) fn discard(&self, path: &Path, trash: &Trash) -> Result<bool> {
        let Some(trash) = &trash.workspace else { return self.remove_now(path, &trash.bytes) };
        // With its directory in the name: the lowest layer and its blob have the same digits.
        let target = trash.path(&path.to_string_lossy().replace('/', "-"));
        match self.root.rename(path, target, RenameFlags::empty()) {
            Ok(()) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether something failed because nothing more fits on the disk.
fn is_full(error: &Error) -> bool {
    let full = |errno: Option<Errno>| matches!(errno, Some(Errno::NOSPC | Errno::DQUOT));
    match error {
        Error::Sys(error) => full(error.errno()),
        Error::Store(error) => {
            let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
            while let Some(error) = cause {
                if let Some(error) = error.downcast_ref::<std::io::Error>() {
                    return full(error.raw_os_error().map(Errno::from_raw_os_error));
                }
                cause = error.source();
            }
            false
        }
        _ => false,
    }
}

/// Where things go that are removed.
#[derive(Debug)]
pub(crate) struct Trash {
    workspace: Option<Workspace>,
    empty: u64,
    /// What was removed without a workspace.
    bytes: Cell<u64>,
}

impl Trash {
    /// Returns the bytes on disk of what went into it.
    pub(crate) fn size(&self) -> Result<u64> {
        match &self.workspace {
            Some(workspace) => Ok(workspace.dir.disk_usage()?.saturating_sub(self.empty)),
            None => Ok(self.bytes.get()),
        }
    }
}

/// The lock of one layer or image; its file goes with it.
#[derive(Debug)]
pub(crate) struct NamedLock {
    lock: Option<Lock>,
    locks: Dir,
    name: String,
}

impl Drop for NamedLock {
    fn drop(&mut self) {
        if let Some(lock) = self.lock.take() {
            // The lock itself ends in any case; a file that stays is taken again by the next user.
            let _ = lock.remove(&self.locks, &self.name);
        }
    }
}

/// A directory below `staging/`, removed with all that is still in it.
#[derive(Debug)]
pub(crate) struct Workspace {
    staging: Dir,
    name: String,
    pub(crate) dir: Dir,
    _lock: Lock,
}

impl Workspace {
    /// Returns the path of something in the workspace, relative to the store.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        Path::new("staging").join(&self.name).join(name)
    }

    /// Creates a file in the workspace.
    pub(crate) fn create(&self, name: &str) -> Result<std::fs::File> {
        Ok(self.dir.create_file(name, 0o600)?.into())
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // What cannot be removed now is found by `audit` and removed by `collect`.
        let _ = self.staging.remove_tree(&self.name);
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec
}

/// Writes back a file that is about to get its final name.
pub(crate) fn sync_file(file: &std::fs::File, what: &str) -> Result<()> {
    rustix::fs::fdatasync(file).context(|| format!("cannot sync {what}")).map_err(Error::from)
}
