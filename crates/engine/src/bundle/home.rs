//! The state directory: claims of ids, and what is found under them.

use std::path::{Path, PathBuf};

use oci::class::Class;
use rustix::fs::Mode;
use rustix::io::Errno;
use store::Lock;
use sys::{Context, Dir};

use super::record::Record;
use crate::error::{Error, Result};

pub(super) const LOCK: &str = "lock";
pub(super) const LIMITS: &str = "limits.lock";
pub(super) const CONFIG: &str = "config.json";
pub(super) const START: &str = "start";
pub(super) const STATE: &str = "state.json";

/// Names are single components, so the file system's limit is theirs.
const ID_BYTES_MAX: usize = 255;

/// The runtime on its state directory.
#[derive(Debug)]
pub struct Runtime {
    root: PathBuf,
}

/// An id that is ours while its container is made.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) path: PathBuf,
    pub(super) dir: Dir,
    lock: Lock,
}

/// A container that was found.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) path: PathBuf,
    pub(super) dir: Dir,
    pub(super) record: Record,
}

impl Runtime {
    /// Names the state directory, which the first container makes.
    pub fn new(root: PathBuf) -> Result<Self> {
        if !root.is_absolute() {
            return Err(Error::invalid(format!("the state directory `{}` is not absolute", root.display())));
        }
        Ok(Self { root })
    }

    /// Where compiled filters are kept; no id begins with a dot.
    pub(super) fn seccomp_cache(&self) -> Result<PathBuf> {
        let path = self.root.join(".seccomp");
        sys::fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// Takes an id for a new container: of several at once, one gets it.
    pub(super) fn claim(&self, id: &str) -> Result<Claim> {
        check_id(id)?;
        sys::fs::create_dir_all(&self.root)?;
        let path = self.root.join(id);
        let taken = || {
            Error::new(Class::AlreadyExists, format!("container with id exists: {id}"))
                .hint("choose another id, or delete that container")
        };
        loop {
            match rustix::fs::mkdir(&path, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno).on_path("create", &path).map_err(Error::from),
            }
            let Some(dir) = open(&path)? else { continue };
            let lock = match Lock::try_exclusive(&dir, LOCK) {
                Ok(Some(lock)) => lock,
                Ok(None) => return Err(taken()),
                // Deleted in between.
                Err(error) if error.is_not_found() => continue,
                Err(error) => return Err(error.into()),
            };
            // Looked at under the lock: whoever had it may have finished, or died half-way.
            if dir.exists(STATE)? {
                return Err(taken());
            }
            for rest in [CONFIG, START] {
                store::remove(&dir, rest, store::Durability::Volatile)?;
            }
            return Ok(Claim { path, dir, lock });
        }
    }

    /// Finds a container.
    pub(super) fn find(&self, id: &str) -> Result<Container> {
        self.load(id)?.ok_or_else(|| missing(id))
    }

    /// Finds a container and keeps others from starting or deleting it.
    pub(super) fn find_locked(&self, id: &str) -> Result<(Container, Lock)> {
        let dir = self.directory(id)?.ok_or_else(|| missing(id))?;
        let gone = |error: store::Error| if error.is_not_found() { missing(id) } else { error.into() };
        let lock = match Lock::try_exclusive(&dir, LOCK).map_err(gone)? {
            Some(lock) => lock,
            // A start or delete is over soon; a creation takes as long as its hooks, and they may ask for it.
            None if Record::load(&dir)?.is_none_or(|record| record.pid == 0) => {
                return Err(Error::conflict(format!(
                    "container `{id}` is being created: try again when it is"
                ))
                .hint("where that hangs, end the process that creates it"));
            }
            None => Lock::exclusive(&dir, LOCK).map_err(gone)?,
        };
        Ok((self.find(id)?, lock))
    }

    /// Finds a container, if there is one.
    pub(super) fn load(&self, id: &str) -> Result<Option<Container>> {
        let Some(dir) = self.directory(id)? else { return Ok(None) };
        Ok(Record::load(&dir)?.map(|record| Container { path: self.root.join(id), dir, record }))
    }

    /// Opens the directory of an id, if there is one.
    pub(super) fn directory(&self, id: &str) -> Result<Option<Dir>> {
        check_id(id)?;
        open(&self.root.join(id))
    }

    /// Removes all that is kept under an id.
    pub(super) fn remove(&self, id: &str) -> Result<()> {
        check_id(id)?;
        match Dir::open(&self.root)?.remove_tree(id) {
            Err(error) if error.is_not_found() => Ok(()),
            other => Ok(other?),
        }
    }

    /// Returns all ids, in order.
    pub(super) fn ids(&self) -> Result<Vec<String>> {
        let Some(root) = open(&self.root)? else { return Ok(Vec::new()) };
        let names = root.list(".")?.into_iter().filter_map(|entry| entry.name.into_string().ok());
        let mut ids: Vec<String> = names.filter(|name| check_id(name).is_ok()).collect();
        ids.sort_unstable();
        Ok(ids)
    }
}

impl Claim {
    /// Lets others start and delete the container.
    pub(super) fn release(self) {
        drop(self.lock);
    }
}

fn open(path: &Path) -> Result<Option<Dir>> {
    match Dir::open(path) {
        Ok(dir) => Ok(Some(dir)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The words are those that callers of runtimes look for.
pub(super) fn missing(id: &str) -> Error {
    Error::not_found(format!("container does not exist: `{id}`")).hint("`list` shows those under this --root")
}

/// Refuses what is not a name of letters, digits and `_+-.`.
pub(super) fn check_id(id: &str) -> Result<()> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
    if id.is_empty() || id.starts_with('.') || id.len() > ID_BYTES_MAX || !id.bytes().all(known) {
        return Err(Error::invalid(format!("invalid container ID format: `{}`", id.escape_debug()))
            .hint("use up to 255 letters, digits and the characters _ + - . with no dot in front"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_single_plain_components() {
        let long = "x".repeat(256);
        for bad in ["", ".", "..", ".seccomp", "a/b", "a b", "a\n", "ä", long.as_str()] {
            assert!(check_id(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "A.b_c+d-9", "-x", &long[1..]] {
            check_id(good).unwrap();
        }
    }

    #[test]
    fn one_of_many_gets_an_id_and_an_abandoned_one_is_taken_over() {
        let temp = tempfile::tempdir().unwrap();
        let runtime = Runtime::new(temp.path().join("state")).unwrap();
        let first = runtime.claim("c").unwrap();
        let error = runtime.claim("c").unwrap_err();
        assert!(error.to_string().contains("exists: c"), "{error}");
        // No state was written: its maker died.
        first.release();
        runtime.claim("c").unwrap().release();
        assert!(runtime.load("c").unwrap().is_none());
        runtime.remove("c").unwrap();
        assert_eq!(runtime.ids().unwrap(), Vec::<String>::new());
        let all: Vec<_> = std::thread::scope(|threads| {
            let handles: Vec<_> = (0..8).map(|_| threads.spawn(|| runtime.claim("p"))).collect();
            handles.into_iter().map(|handle| handle.join().unwrap()).collect()
        });
        assert_eq!(all.iter().filter(|claim| claim.is_ok()).count(), 1);
    }
}
