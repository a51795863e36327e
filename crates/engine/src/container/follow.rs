//! Follows the log files of a container as they grow. The supervisor is asked only when it ends: one that had to
//! wait for a reader of its log would hold the container up.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use supervisor::log::{Archive, Identity, Record, identity, open_archive, parse};
use supervisor::{Client, Event, Stream};
use sys::Dir;

use super::accompany::connect;
use super::logs::LogLine;
use crate::error::Result;
use crate::paths::Engine;

/// Bytes that are read at once: a log is never in memory as a whole.
const PIECE: u64 = 256 << 10;

/// Reads records file by file, across rotations.
#[derive(Debug)]
pub(crate) struct Reader {
    /// The newest file's path; older ones have numbers behind it.
    path: PathBuf,
    file: Option<LogFile>,
    /// The beginning of a record whose end is not written yet.
    rest: Vec<u8>,
}

/// One file of a log.
#[derive(Debug)]
struct LogFile {
    /// Of the original, where it is compressed.
    identity: Option<Identity>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Plain(File),
    Compressed(Box<Archive>),
}

impl Read for LogFile {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match &mut self.content {
            Content::Plain(file) => file.read(buffer),
            Content::Compressed(archive) => archive.read(buffer),
        }
    }
}

impl LogFile {
    fn open(directory: &Dir, name: &str) -> Option<Self> {
        let file = directory.open_regular(name).ok()?;
        if !name.ends_with(COMPRESSED) {
            return Some(Self { identity: identity(&file), content: Content::Plain(file) });
        }
        let archive = open_archive(file)?;
        Some(Self { identity: archive.original, content: Content::Compressed(Box::new(archive)) })
    }
}

const COMPRESSED: &str = ".gz";

impl Reader {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, file: None, rest: Vec::new() }
    }

    /// Passes on every record that was written since the last call.
    pub(crate) fn read(&mut self, mut each: impl FnMut(Record<'_>)) -> Result<()> {
        loop {
            // Looked for first: what is in this file once there is a next one is all there will be.
            let next = self.next()?;
            while self.read_piece(&mut each)? > 0 {}
            match next {
                Some(file) => self.file = Some(file),
                None => return Ok(()),
            }
        }
    }

    fn read_piece(&mut self, each: &mut impl FnMut(Record<'_>)) -> Result<usize> {
        let Some(file) = &mut self.file else { return Ok(0) };
        let count = file
            .take(PIECE)
            .read_to_end(&mut self.rest)
            .map_err(|error| sys::Error::new(format!("cannot read `{}`", self.path.display()), error))?;
        let whole = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.rest[..whole].split(|byte| *byte == b'\n').filter_map(parse).for_each(each);
        self.rest.drain(..whole);
        Ok(count)
    }

    /// Opens the file after the one being read; the oldest, where that one was rotated away.
    fn next(&self) -> Result<Option<LogFile>> {
        let Some(directory) = self.path.parent() else { return Ok(None) };
        let directory = match Dir::open(directory) {
            // The container was removed; what is open is still read.
            Err(error) if error.is_not_found() => return Ok(None),
            other => other?,
        };
        let current = self.file.as_ref().and_then(|file| file.identity);
        loop {
            let opened = self.open_all(&directory)?;
            // Renamed while they were opened, one may have been skipped.
            let again = self.open_all(&directory)?;
            if !opened.iter().map(|file| file.identity).eq(again.iter().map(|file| file.identity)) {
                continue;
            }
            let place = current.and_then(|_| opened.iter().position(|file| file.identity == current));
            return Ok(opened.into_iter().nth(place.map_or(0, |place| place + 1)));
        }
    }

    /// Opens all files of the log, the oldest first.
    fn open_all(&self, directory: &Dir) -> Result<Vec<LogFile>> {
        let newest = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let mut names: Vec<(u32, String)> = Vec::new();
        let entries = match directory.list(".") {
            // Removed since it was opened.
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            other => other?,
        };
        for entry in entries {
            let Some(name) = entry.name.to_str() else { continue };
            let Some(rest) = name.strip_prefix(newest) else { continue };
            let number =
                rest.strip_prefix('.').map(|rest| rest.strip_suffix(COMPRESSED).unwrap_or(rest).parse());
            match number {
                None if rest.is_empty() => names.push((0, name.to_owned())),
                Some(Ok(number)) => names.push((number, name.to_owned())),
                _ => {}
            }
        }
        names.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        let mut files: Vec<LogFile> =
            names.iter().filter_map(|(_, name)| LogFile::open(directory, name)).collect();
        // Renamed in between, two names may have led to one file; and for a moment one is there in both forms.
        files.dedup_by_key(|file| file.identity);
        Ok(files)
    }
}

/// Joins the parts of lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    open: [Option<LogLine>; 2],
}

impl Lines {
    /// Adds a record; returns the line that it completes.
    pub(crate) fn add(&mut self, record: Record<'_>) -> Option<LogLine> {
        let slot = &mut self.open[usize::from(record.stream == Stream::Stderr)];
        let line = slot.get_or_insert_with(|| LogLine {
            stream: record.stream,
            time: record.time.into_owned(),
            text: Vec::new(),
            attributes: record.attributes,
        });
        line.text.extend_from_slice(&record.text);
        if !record.complete {
            return None;
        }
        line.text.push(b'\n');
        slot.take()
    }

    /// Returns what was begun and not ended.
    pub(crate) fn finish(&mut self) -> impl Iterator<Item = LogLine> {
        std::mem::take(&mut self.open).into_iter().flatten()
    }
}

/// Wakes when a log may have grown, and knows when it will grow no more.
#[derive(Debug)]
pub(crate) struct Growth<'a> {
    engine: &'a Engine,
    id: String,
    /// Absent once the container has ended.
    client: Option<Client>,
    /// Absent where the user has no more of them; then one looks from time to time.
    notices: Option<OwnedFd>,
}

impl<'a> Growth<'a> {
    /// Watches the log's directory from now on.
    pub(crate) fn watch(engine: &'a Engine, id: &str, log: &Path) -> Self {
        let notices = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok().filter(|fd| {
            let flags = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
            log.parent().is_some_and(|directory| inotify::add_watch(fd, directory, flags).is_ok())
        });
        Self { engine, id: id.to_owned(), client: connect(engine, id).ok().flatten(), notices }
    }

    /// Waits for more; false when all that will come has been written.
    pub(crate) fn wait(&mut self) -> bool {
        let Some(client) = &mut self.client else { return false };
        let mut fds = vec![PollFd::new(client, PollFlags::IN)];
        fds.extend(self.notices.iter().map(|fd| PollFd::new(fd, PollFlags::IN)));
        let now_and_then = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
        let outcome = poll(&mut fds, self.notices.is_none().then_some(&now_and_then));
        let told = !fds[0].revents().is_empty();
        drop(fds);
        if let Some(notices) = self.notices.as_ref().filter(|_| outcome.is_ok()) {
            let mut buffer = [0; 4096];
            while rustix::io::read(notices, &mut buffer).is_ok_and(|count| count > 0) {}
        }
        if told {
            match client.receive() {
                Event::Ended { .. } | Event::Failed(_) => self.client = None,
                // Another supervisor follows.
                Event::Lost => self.client = connect(self.engine, &self.id).ok().flatten(),
                _ => {}
            }
        }
        true
    }
}
