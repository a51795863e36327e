//! Replacing a file as a whole: readers see the old bytes or the new ones, after a power cut too.

use std::ffi::OsStr;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, fsync, openat, renameat, statat, unlinkat};
use rustix::io::Errno;
use sys::Context;
use sys::failpoint::step;

use crate::{Error, Result};

/// Whether an acknowledged write must survive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// File and directory entry are on disk when the call returns.
    Synced,
    /// Atomic towards readers only: for tmpfs and for what dies with the boot.
    Volatile,
}

/// What the name of an unfinished file begins with.
pub const TEMPORARY_PREFIX: &str = ".new-";

/// Returns a name that no other process uses, of whatever process id namespace.
fn unique_name() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    static SEED: OnceLock<u64> = OnceLock::new();
    let seed = SEED.get_or_init(|| RandomState::new().build_hasher().finish());
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{TEMPORARY_PREFIX}{}-{seed:016x}-{count}", std::process::id())
}

/// Replaces `name` in the directory by a file of these bytes, mode 0600.
///
/// The order is: new file, fsync, rename, fsync of the directory. Without the first fsync a delayed
/// allocation can leave an empty file under the final name, without the second the name may be lost.
/// `O_TMPFILE` was not taken: linkat(2) cannot replace, so a second name would be needed anyway.
pub fn write_atomic(dir: impl AsFd, name: &str, bytes: &[u8], durability: Durability) -> Result<()> {
    let dir = dir.as_fd();
    check_name(name)?;
    let temporary = unique_name();
    let written = write_new(dir, &temporary, bytes, durability)
        .and_then(|()| {
            step();
            renameat(dir, &*temporary, dir, name)
        })
        .context(|| format!("cannot write `{name}`"));
    if let Err(error) = written {
        // The error at hand is the one to report; what is left is collected by age.
        let _ = unlinkat(dir, &*temporary, AtFlags::empty());
        return Err(error.into());
    }
    if durability == Durability::Synced {
        sync_dir(dir)?;
    }
    Ok(())
}

fn write_new(dir: BorrowedFd<'_>, name: &str, bytes: &[u8], durability: Durability) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    step();
    let file = openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?;
    let mut rest = bytes;
    while !rest.is_empty() {
        step();
        let written = rustix::io::retry_on_intr(|| rustix::io::write(&file, rest))?;
        rest = &rest[written..];
    }
    if durability == Durability::Synced { fsync(&file) } else { Ok(()) }
}

/// Makes the names of a directory durable; the descriptor may be `O_PATH`.
pub fn sync_dir(dir: impl AsFd) -> Result<()> {
    step();
    open_readable(dir.as_fd())
        .and_then(fsync)
        .context(|| "cannot sync a directory of the store".to_owned())?;
    Ok(())
}

/// Reads a file of the store as a whole.
pub fn read(dir: impl AsFd, name: &str) -> Result<Vec<u8>> {
    check_name(name)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let read = || sys::fs::read_open(openat(dir.as_fd(), name, flags, Mode::empty())?);
    Ok(read().context(|| format!("cannot read `{name}`"))?)
}

/// Removes a file of the store; returns whether it was there.
pub fn remove(dir: impl AsFd, name: &str, durability: Durability) -> Result<bool> {
    check_name(name)?;
    step();
    match unlinkat(dir.as_fd(), name, AtFlags::empty()) {
        Ok(()) => {}
        Err(Errno::NOENT) => return Ok(false),
        Err(errno) => return Err(sys::Error::new(format!("cannot remove `{name}`"), errno).into()),
    }
    if durability == Durability::Synced {
        sync_dir(dir)?;
    }
    Ok(true)
}

/// Removes what interrupted writes have left in a directory for longer than `age` and returns how
/// many there were. The clock is the file system's own: one that was set since, ahead or back, costs at
/// most a write that is repeated.
pub fn collect_temporaries(dir: impl AsFd, age: Duration) -> Result<usize> {
    let dir = dir.as_fd();
    let collect = || {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec;
        let limit = age.as_secs();
        let mut removed = 0;
        for entry in Dir::new(open_readable(dir)?)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if !name.as_bytes().starts_with(TEMPORARY_PREFIX.as_bytes()) {
                continue;
            }
            match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if now.abs_diff(stat.st_mtime) >= limit => {}
                Ok(_) | Err(Errno::NOENT) => continue,
                Err(errno) => return Err(errno),
            }
            match unlinkat(dir, name, AtFlags::empty()) {
                Ok(()) => removed += 1,
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(removed)
    };
    Ok(collect().context(|| "cannot collect unfinished files of the store".to_owned())?)
}

pub(crate) fn open_readable(dir: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    openat(dir, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Refuses what is not one component: names come from references and container names.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let bad = name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']);
    if bad { Err(Error::Name(name.to_owned())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::{Durability, collect_temporaries, read, remove, write_atomic};
    use crate::Error;

    #[test]
    fn names_are_single_components() {
        let temp = tempfile::tempdir().unwrap();
        let dir = sys::Dir::open(temp.path()).unwrap();
        for name in ["", ".", "..", "a/b", "/a", "a\0b"] {
            let result = write_atomic(&dir, name, b"", Durability::Volatile);
            assert!(matches!(result, Err(Error::Name(_))), "{name:?}");
        }
    }

    #[test]
    fn readers_see_the_old_or_the_new_bytes() {
        let temp = tempfile::tempdir().unwrap();
        let dir = sys::Dir::open(temp.path()).unwrap();
        write_atomic(&dir, "f", &[b'a'; 40_000], Durability::Volatile).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                for byte in (b'a'..=b'z').cycle().take(500) {
                    write_atomic(&dir, "f", &[byte; 40_000], Durability::Volatile).unwrap();
                }
                stop.store(true, Ordering::Relaxed);
            });
            while !stop.load(Ordering::Relaxed) {
                let bytes = read(&dir, "f").unwrap();
                assert_eq!(bytes.len(), 40_000);
                assert!(bytes.iter().all(|byte| *byte == bytes[0]));
            }
        });
        assert!(remove(&dir, "f", Durability::Synced).unwrap());
        assert!(!remove(&dir, "f", Durability::Synced).unwrap());
    }

    #[test]
    fn failed_write_leaves_nothing_and_unfinished_files_are_collected() {
        let temp = tempfile::tempdir().unwrap();
        let dir = sys::Dir::open(temp.path()).unwrap();
        dir.mkdir_all("taken/by/directory", 0o755).unwrap();
        write_atomic(&dir, "taken", b"x", Durability::Volatile).unwrap_err();
        assert_eq!(dir.list("").unwrap().len(), 1);
        dir.create_file(".new-1-0", 0o600).unwrap();
        assert_eq!(collect_temporaries(&dir, Duration::from_secs(3600)).unwrap(), 0);
        assert_eq!(collect_temporaries(&dir, Duration::ZERO).unwrap(), 1);
    }
}
