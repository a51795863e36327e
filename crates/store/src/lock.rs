//! Locks that die with their holder.
//!
//! flock(2) and not fcntl(2): both `F_OFD_SETLK` and flock belong to the open file description, so
//! they survive in a child that inherits the descriptor and vanish with the last copy of it. The
//! difference is byte ranges, which nobody here needs; flock is what rustix offers safely. Classic
//! `F_SETLK` is no choice: closing any descriptor of the file drops it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, flock, fstat, openat, statat, unlinkat};
use rustix::io::{Errno, retry_on_intr};
use sys::Context;

use crate::Result;
use crate::write::check_name;

/// A lock on a file of the store, held until it is dropped in all processes that share it.
#[derive(Debug)]
pub struct Lock {
    fd: OwnedFd,
}

impl AsFd for Lock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Lock {
    /// Waits for the lock and keeps everybody else out.
    pub fn exclusive(dir: impl AsFd, name: &str) -> Result<Self> {
        let lock = Self::take(dir.as_fd(), name, FlockOperation::LockExclusive)?;
        Ok(lock.expect("a lock that waits is not refused"))
    }

    /// Waits for the lock and shares it with other shared holders.
    pub fn shared(dir: impl AsFd, name: &str) -> Result<Self> {
        let lock = Self::take(dir.as_fd(), name, FlockOperation::LockShared)?;
        Ok(lock.expect("a lock that waits is not refused"))
    }

    /// Takes the lock alone, or returns `None` where somebody holds it.
    pub fn try_exclusive(dir: impl AsFd, name: &str) -> Result<Option<Self>> {
        Self::take(dir.as_fd(), name, FlockOperation::NonBlockingLockExclusive)
    }

    /// Shares the lock, or returns `None` where somebody holds it alone.
    pub fn try_shared(dir: impl AsFd, name: &str) -> Result<Option<Self>> {
        Self::take(dir.as_fd(), name, FlockOperation::NonBlockingLockShared)
    }

    /// Whether somebody holds the lock alone now; a file that is not there is not locked.
    pub fn is_held(dir: impl AsFd, name: &str) -> Result<bool> {
        check_name(name)?;
        Ok(is_held(dir.as_fd(), Path::new(name)).context(|| format!("cannot test lock `{name}`"))?)
    }

    /// The same for a lock of the engine's own, by its path.
    pub fn is_held_at(path: &Path) -> Result<bool> {
        Ok(is_held(CWD, path).on_path("test lock", path)?)
    }

    /// Removes the file of an exclusive lock and lets go. Those who wait for it notice and start anew.
    pub fn remove(self, dir: impl AsFd, name: &str) -> Result<()> {
        check_name(name)?;
        sys::failpoint::step();
        match unlinkat(dir.as_fd(), name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(sys::Error::new(format!("cannot remove lock `{name}`"), errno).into()),
        }
    }

    /// Returns the descriptor, to be inherited by a process that goes on holding the lock.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// Takes over the descriptor of a lock that was inherited.
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self { fd }
    }

    fn take(dir: BorrowedFd<'_>, name: &str, operation: FlockOperation) -> Result<Option<Self>> {
        check_name(name)?;
        let taken = loop {
            match lock_once(dir, name, operation) {
                Ok(Some(fd)) => break Ok(Some(Self { fd })),
                Ok(None) => {}
                Err(Errno::WOULDBLOCK) => break Ok(None),
                Err(errno) => break Err(errno),
            }
        };
        Ok(taken.context(|| format!("cannot lock `{name}`"))?)
    }
}

fn is_held(dir: BorrowedFd<'_>, path: &Path) -> Result<bool, Errno> {
    let fd = match openat(dir, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(false),
        opened => opened?,
    };
    match retry_on_intr(|| flock(&fd, FlockOperation::NonBlockingLockShared)) {
        Err(Errno::WOULDBLOCK) => Ok(true),
        other => other.map(|()| false),
    }
}

/// Opens and locks; `None` where the file was removed while we waited and the lock means nothing.
fn lock_once(dir: BorrowedFd<'_>, name: &str, operation: FlockOperation) -> Result<Option<OwnedFd>, Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    sys::failpoint::step();
    let fd = openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?;
    retry_on_intr(|| flock(&fd, operation))?;
    let ours = fstat(&fd)?;
    match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(named) if (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino) => Ok(Some(fd)),
        Ok(_) | Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::Lock;

    #[test]
    fn exclusive_and_shared_exclude_each_other() {
        let temp = tempfile::tempdir().unwrap();
        let dir = sys::Dir::open(temp.path()).unwrap();
        let at = temp.path().join("l");
        assert!(!Lock::is_held(&dir, "l").unwrap() && !Lock::is_held_at(&at).unwrap());
        let alone = Lock::exclusive(&dir, "l").unwrap();
        assert!(Lock::try_shared(&dir, "l").unwrap().is_none());
        assert!(Lock::is_held(&dir, "l").unwrap() && Lock::is_held_at(&at).unwrap());
        drop(alone);
        let first = Lock::shared(&dir, "l").unwrap();
        let second = Lock::try_shared(&dir, "l").unwrap().unwrap();
        assert!(Lock::try_exclusive(&dir, "l").unwrap().is_none());
        drop((first, second));
        assert!(Lock::try_exclusive(&dir, "l").unwrap().is_some());
    }

    #[test]
    fn lock_lives_in_the_last_copy_of_its_descriptor() {
        let temp = tempfile::tempdir().unwrap();
        let dir = sys::Dir::open(temp.path()).unwrap();
        let fd = Lock::exclusive(&dir, "l").unwrap().into_fd();
        let copy = fd.try_clone().unwrap();
        drop(fd);
        assert!(Lock::is_held(&dir, "l").unwrap());
        drop(Lock::from_fd(copy));
        assert!(!Lock::is_held(&dir, "l").unwrap());
    }

    #[test]
    fn removed_lock_is_never_held_twice() {
        let temp = tempfile::tempdir().unwrap();
        let inside = AtomicUsize::new(0);
        std::thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| {
                    let dir = sys::Dir::open(temp.path()).unwrap();
                    for turn in 0..100 {
                        let lock = Lock::exclusive(&dir, "l").unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        if turn % 3 == 0 {
                            lock.remove(&dir, "l").unwrap();
                        }
                    }
                });
            }
        });
    }
}
