//! A journal: a file that many processes append lines to and others follow, bounded by rotation.
//!
//! ```text
//!   NAME       the newest lines
//!   NAME.1     the ones before; the next rotation replaces it
//! ```
//!
//! A line is one `write` on a descriptor with `O_APPEND`. POSIX promises that nothing is written between finding the end
//! of the file and writing there; on Linux a regular file's inode is locked for the whole of one write, however
//! long the line is (`PIPE_BUF` bounds pipes only). What is not promised is that all of it is written: a full file system can cut
//! a line. It is closed with a line end as soon as there is room, and readers get it as it is.
//!
//! Whoever appends and finds the file too large rotates it. Those who append share a lock on the file, and the one
//! who rotates has it alone and first seals the file (takes its write permission away): from then on nobody appends to it, so a reader that has
//! seen the seal and then the end has seen all. A rotation that was killed half-way is finished by the next to append.

use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FlockOperation, Mode, OFlags, SeekFrom, fchmod, flock, fstat, openat, renameat, seek, statat,
};
use rustix::io::{Errno, retry_on_intr};
use sys::Context;

use crate::Result;
use crate::write::check_name;

const OPEN: Mode = Mode::RUSR.union(Mode::WUSR);
const SEALED: Mode = Mode::RUSR;

/// Appends a line, which must not hold a line end; a file of more than `bytes_max` is rotated before.
pub fn append(dir: impl AsFd, name: &str, line: &[u8], bytes_max: u64) -> Result<()> {
    check_name(name)?;
    let mut bytes = Vec::with_capacity(line.len() + 1);
    bytes.extend_from_slice(line);
    bytes.push(b'\n');
    Ok(append_bytes(dir.as_fd(), name, &bytes, bytes_max).context(|| format!("cannot append to `{name}`"))?)
}

fn append_bytes(dir: BorrowedFd<'_>, name: &str, bytes: &[u8], bytes_max: u64) -> Result<(), Errno> {
    loop {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(dir, name, flags, OPEN)?;
        retry_on_intr(|| flock(&file, FlockOperation::LockShared))?;
        let stat = fstat(&file)?;
        if is_sealed(&stat) || stat.st_size.cast_unsigned() >= bytes_max {
            // Others who append hold the lock for microseconds; where one does just now, the next one rotates.
            let alone = retry_on_intr(|| flock(&file, FlockOperation::NonBlockingLockExclusive));
            if alone.is_ok() || is_sealed(&stat) {
                rotate(dir, name, &file)?;
                continue;
            }
            // A failed conversion may have lost the shared lock (flock(2)).
            retry_on_intr(|| flock(&file, FlockOperation::LockShared))?;
            if is_sealed(&fstat(&file)?) {
                continue;
            }
        }
        let written = retry_on_intr(|| rustix::io::write(&file, bytes))?;
        if written < bytes.len() {
            let _ = retry_on_intr(|| rustix::io::write(&file, b"\n"));
            return Err(Errno::NOSPC);
        }
        return Ok(());
    }
}

/// Seals a file and moves it aside, if it still has the name.
fn rotate(dir: BorrowedFd<'_>, name: &str, file: &OwnedFd) -> Result<(), Errno> {
    // Waits where another one rotates.
    retry_on_intr(|| flock(file, FlockOperation::LockExclusive))?;
    let ours = fstat(file)?;
    fchmod(file, SEALED)?;
    match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(named) if (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino) => {
            renameat(dir, name, dir, format!("{name}.1"))
        }
        Ok(_) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn is_sealed(stat: &rustix::fs::Stat) -> bool {
    !Mode::from_raw_mode(stat.st_mode).contains(Mode::WUSR)
}

/// Reads a journal's lines in their order, and those that come later.
#[derive(Debug)]
pub struct JournalReader {
    dir: OwnedFd,
    name: String,
    file: OwnedFd,
    files: usize,
    /// What was read of it and not passed on.
    unread: Vec<u8>,
}

/// Where a reader begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JournalStart {
    /// With the oldest line there is.
    Oldest,
    /// After the newest one.
    End,
}

impl JournalReader {
    /// Opens a journal, which is made where there is none.
    pub fn open(dir: impl AsFd, name: &str, start: JournalStart) -> Result<Self> {
        check_name(name)?;
        let what = || format!("cannot read `{name}`");
        let dir = dir.as_fd().try_clone_to_owned().context(what)?;
        let newest = open_newest(dir.as_fd(), name).context(what)?;
        let mut reader = Self { dir, name: name.to_owned(), file: newest, files: 0, unread: Vec::new() };
        match start {
            JournalStart::End => {
                seek(&reader.file, SeekFrom::End(0)).context(what)?;
            }
            JournalStart::Oldest => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                if let Ok(older) = openat(&reader.dir, format!("{name}.1"), flags, Mode::empty()) {
                    reader.file = older;
                }
            }
        }
        Ok(reader)
    }

    /// Calls back for each whole line that is there now and was not read yet; stops early where that says so.
    pub fn read(&mut self, mut line: impl FnMut(&[u8]) -> ControlFlow<()>) -> Result<()> {
        let mut buffer = vec![0; 64 << 10];
        let what = |name: &str| format!("cannot read `{name}`");
        loop {
            if self.deliver(&mut line).is_break() {
                return Ok(());
            }
            // Looked at before the end is: what comes after the seal is in the next file.
            let sealed = is_sealed(&fstat(&self.file).context(|| what(&self.name))?);
            let count = retry_on_intr(|| rustix::io::read(&self.file, &mut buffer[..]));
            match count.context(|| what(&self.name))? {
                0 if sealed && self.go_over().context(|| what(&self.name))? => {}
                0 => return Ok(()),
                count => self.unread.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// Passes on the whole lines that have been read from the file.
    fn deliver(&mut self, line: &mut impl FnMut(&[u8]) -> ControlFlow<()>) -> ControlFlow<()> {
        let mut done = 0;
        let mut flow = ControlFlow::Continue(());
        while flow.is_continue()
            && let Some(length) = self.unread[done..].iter().position(|byte| *byte == b'\n')
        {
            flow = line(&self.unread[done..done + length]);
            done += length + 1;
        }
        self.unread.drain(..done);
        flow
    }

    /// Turns from a sealed file to the next one; false where that is not there yet.
    fn go_over(&mut self) -> Result<bool, Errno> {
        let newest = open_newest(self.dir.as_fd(), &self.name)?;
        let (one, other) = (fstat(&newest)?, fstat(&self.file)?);
        if (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino) {
            return Ok(false);
        }
        (self.file, self.unread) = (newest, Vec::new());
        self.files += 1;
        Ok(true)
    }

    /// How many files it has gone over from.
    pub fn files(&self) -> usize {
        self.files
    }
}

/// The file that is read now: for those who want to be told of its changes.
impl AsFd for JournalReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn open_newest(dir: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(dir, name, flags, OPEN)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sys::Dir;

    use super::*;

    fn lines(reader: &mut JournalReader) -> Vec<String> {
        let mut lines = Vec::new();
        let collect = |line: &[u8]| {
            lines.push(String::from_utf8(line.to_vec()).unwrap());
            ControlFlow::Continue(())
        };
        reader.read(collect).unwrap();
        lines
    }

    #[test]
    fn lines_are_read_in_order_and_later_ones_when_they_come() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        append(&dir, "j", b"one", 1 << 20).unwrap();
        let mut from_end = JournalReader::open(&dir, "j", JournalStart::End).unwrap();
        let mut all = JournalReader::open(&dir, "j", JournalStart::Oldest).unwrap();
        assert_eq!(lines(&mut all), ["one"]);
        append(&dir, "j", b"two", 1 << 20).unwrap();
        append(&dir, "j", b"", 1 << 20).unwrap();
        assert_eq!(
            (lines(&mut all), lines(&mut from_end)),
            (vec!["two".into(), String::new()], vec!["two".into(), String::new()])
        );
        assert!(lines(&mut all).is_empty());
    }

    #[test]
    fn a_reader_may_stop_and_go_on() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        for line in ["a", "b", "c"] {
            append(&dir, "j", line.as_bytes(), 1 << 20).unwrap();
        }
        let mut reader = JournalReader::open(&dir, "j", JournalStart::Oldest).unwrap();
        reader
            .read(|line| if line == b"b" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            .unwrap();
        assert_eq!(lines(&mut reader), ["c"]);
        append(&dir, "j", b"d", 1 << 20).unwrap();
        assert_eq!(lines(&mut reader), ["d"]);
    }

    #[test]
    fn a_large_file_is_moved_aside_and_a_reader_goes_over() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let mut follower = JournalReader::open(&dir, "j", JournalStart::End).unwrap();
        let mut seen = Vec::new();
        for number in 0..100 {
            append(&dir, "j", format!("{number:09}").as_bytes(), 200).unwrap();
            seen.extend(lines(&mut follower));
        }
        assert_eq!(seen, (0..100).map(|number| format!("{number:09}")).collect::<Vec<_>>());
        let size = |name: &str| statat(&dir, name, AtFlags::empty()).unwrap().st_size;
        assert!(size("j") <= 210 && size("j.1") <= 210);
        let mut late = JournalReader::open(&dir, "j", JournalStart::Oldest).unwrap();
        let kept = lines(&mut late);
        assert!(kept.len() > 20 && seen.ends_with(&kept), "{kept:?}");
    }

    /// A rotation that was killed between seal and rename.
    #[test]
    fn a_sealed_file_is_moved_aside_by_the_next() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        append(&dir, "j", b"old", 1 << 20).unwrap();
        let mut follower = JournalReader::open(&dir, "j", JournalStart::Oldest).unwrap();
        fchmod(open_newest(dir.as_fd(), "j").unwrap(), SEALED).unwrap();
        assert_eq!(lines(&mut follower), ["old"]);
        append(&dir, "j", b"new", 1 << 20).unwrap();
        assert_eq!(lines(&mut follower), ["new"]);
    }

    #[test]
    fn no_line_is_lost_or_torn_with_many_writers_and_rotations() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let (writers, each) = (4, 300);
        let mut follower = JournalReader::open(&dir, "j", JournalStart::End).unwrap();
        let mut seen: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        std::thread::scope(|threads| {
            for writer in 0..writers {
                let path = temp.path();
                threads.spawn(move || {
                    let dir = Dir::open(path).unwrap();
                    for number in 0..each {
                        // Longer than a page, and the reader is to keep up with one rotation at a time.
                        let line = format!("{writer} {number} {}", "x".repeat(5000));
                        append(&dir, "j", line.as_bytes(), 64 << 20).unwrap();
                    }
                });
            }
            while seen.values().map(Vec::len).sum::<usize>() < writers * each {
                for line in lines(&mut follower) {
                    let words: Vec<&str> = line.split(' ').collect();
                    assert_eq!(words[2].len(), 5000, "torn");
                    seen.entry(words[0].to_owned()).or_default().push(words[1].parse().unwrap());
                }
            }
        });
        for numbers in seen.values() {
            assert_eq!(*numbers, (0..each).collect::<Vec<_>>());
        }
    }
}
