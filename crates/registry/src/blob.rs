//! Blobs as a stream that survives the connection: after a break it asks for the rest.
//!
//! Given up is not by total time but by lack of progress: a number of tries in a row without it. Whether
//! the bytes are the right ones is decided by whoever reads them, over the whole of them.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use oci::digest::Digest;
use ureq::http::Method;

use crate::error::Cause;
use crate::http::Answer;
use crate::repository::{Place, Repository};
use crate::{Error, Result};

/// A try that brought less than this has brought nothing.
const PROGRESS_BYTES_MIN: u64 = 64 << 10;

/// Told before a pause: what went wrong, and how long the pause is.
pub type Retry<'r> = dyn Fn(&Error, Duration) + Send + Sync + 'r;

/// The bytes of a blob from some position on.
pub struct BlobReader<'r> {
    repository: &'r Repository,
    what: String,
    digest: Digest,
    size: u64,
    position: u64,
    body: Option<Box<dyn Read + Send>>,
    address: String,
    /// Tries in a row, and where the first of them began.
    attempt: u32,
    progress_from: u64,
    window: Window,
    on_retry: &'r Retry<'r>,
}

impl std::fmt::Debug for BlobReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BlobReader({} at {} of {})", self.digest, self.position, self.size)
    }
}

/// Bytes in a stretch of time: whether something comes that deserves to be called a download.
#[derive(Debug)]
struct Window {
    since: Instant,
    bytes: u64,
}

impl Window {
    fn new() -> Self {
        Self { since: Instant::now(), bytes: 0 }
    }
}

impl Repository {
    /// Begins to fetch a blob of known size from a position on. Nothing is sent before the first read.
    pub fn blob<'r>(
        &'r self,
        digest: &Digest,
        size: u64,
        position: u64,
        on_retry: &'r Retry<'r>,
    ) -> BlobReader<'r> {
        BlobReader {
            repository: self,
            what: format!("blob {digest} of `{}`", self.path),
            digest: *digest,
            size,
            position,
            body: None,
            address: String::new(),
            attempt: 0,
            progress_from: position,
            window: Window::new(),
            on_retry,
        }
    }

    /// Fetches a small blob into memory and verifies it.
    pub fn small_blob(&self, digest: &Digest, size: u64, limit: u64) -> Result<Vec<u8>> {
        use sha2::Digest as _;
        let what = format!("blob {digest} of `{}`", self.path);
        if size > limit {
            return Err(Error::TooLarge { what, limit });
        }
        let mut bytes = Vec::new();
        let mut reader = self.blob(digest, size, 0, &|_, _| ());
        reader.read_to_end(&mut bytes).map_err(into_error)?;
        let found = Digest::from_bytes(sha2::Sha256::digest(&bytes).into());
        match found == *digest {
            true => Ok(bytes),
            false => Err(Error::DigestMismatch { what, expected: *digest, found }),
        }
    }
}

impl BlobReader<'_> {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            if self.position == self.size {
                return Ok(0);
            }
            match self.try_fill(buffer) {
                Ok(len) => return Ok(len),
                Err(error) => {
                    self.body = None;
                    self.wait_or_give_up(error)?;
                }
            }
        }
    }

    fn try_fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let body = match &mut self.body {
            Some(body) => body,
            None => {
                let (body, address) = self.begin()?;
                self.address = address;
                self.window = Window::new();
                self.body.insert(body)
            }
        };
        let left = usize::try_from(self.size - self.position).unwrap_or(usize::MAX);
        let len = buffer.len().min(left);
        let read = loop {
            match body.read(&mut buffer[..len]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let read = read.map_err(|error| broken(&self.address, &error))?;
        if read == 0 {
            return Err(Error::Broken {
                address: self.address.clone(),
                source: Cause(format!("{} of {} bytes came", self.position, self.size)),
            });
        }
        self.position += read as u64;
        self.check_pace(read as u64)?;
        Ok(read)
    }

    /// A byte a second keeps every timeout of single reads happy: count what comes in a longer stretch.
    ///
    /// What is too slow is dropped with the bytes that have just come kept, so the caller gets them: the
    /// connection is closed and the next read begins a new one.
    fn check_pace(&mut self, read: u64) -> Result<()> {
        let patience = self.repository.transport.settings().patience;
        self.window.bytes += read;
        if self.window.since.elapsed() < patience.stall {
            return Ok(());
        }
        let slow = self.window.bytes < patience.slowest_bytes && self.position < self.size;
        self.window = Window::new();
        if slow {
            self.body = None;
            let error = Error::Stalled {
                address: self.address.clone(),
                bytes: patience.slowest_bytes,
                seconds: patience.stall.as_secs(),
            };
            return self.wait_or_give_up(error);
        }
        Ok(())
    }

    /// Pauses before the next try, or returns the error: it will not pass, or there was no progress.
    fn wait_or_give_up(&mut self, error: Error) -> Result<()> {
        let patience = self.repository.transport.settings().patience;
        if self.position - self.progress_from >= PROGRESS_BYTES_MIN {
            self.attempt = 0;
        }
        self.progress_from = self.position;
        self.attempt += 1;
        // A host that was there and is gone comes back more often than one that never answered.
        let may_pass = error.is_passing() || matches!(error, Error::Unreachable { .. }) && self.position > 0;
        if !may_pass || self.attempt >= patience.attempts {
            return Err(error);
        }
        let pause = patience.pause_before(self.attempt);
        (self.on_retry)(&error, pause);
        std::thread::sleep(pause);
        Ok(())
    }

    /// Asks for the rest at the first place that has it.
    fn begin(&self) -> Result<(Box<dyn Read + Send>, String)> {
        self.repository.any_place(|place| self.begin_at(place))
    }

    fn begin_at(&self, place: &Place) -> Result<(Box<dyn Read + Send>, String)> {
        let headers = match self.position {
            0 => Vec::new(),
            position => vec![("range", format!("bytes={position}-"))],
        };
        let rest = format!("blobs/{}", self.digest);
        let answer = self.repository.ask(place, Method::GET, &rest, headers, &self.what)?;
        let address = answer.address.to_string();
        let skip = match answer.status() {
            200 => {
                self.check_length(&answer, self.size)?;
                // It knows no ranges and begins anew: what we have is passed over.
                self.position
            }
            206 => {
                self.check_range(&answer)?;
                self.check_length(&answer, self.size - self.position)?;
                0
            }
            _ => return Err(answer.into_error(&self.repository.domain, &self.what)),
        };
        let mut body = answer.into_reader();
        let skipped = io::copy(&mut (&mut body).take(skip), &mut io::sink());
        match skipped.map_err(|error| broken(&address, &error))? == skip {
            true => Ok((Box::new(body), address)),
            false => Err(Error::Broken { address, source: Cause("it ended before what we have".to_owned()) }),
        }
    }

    fn check_length(&self, answer: &Answer, expected: u64) -> Result<()> {
        match answer.content_length() {
            Some(found) if found != expected => {
                Err(Error::SizeMismatch { what: self.what.clone(), expected, found })
            }
            _ => Ok(()),
        }
    }

    /// `Content-Range: bytes FIRST-LAST/SIZE` must be what was asked for.
    fn check_range(&self, answer: &Answer) -> Result<()> {
        let range = answer.header("content-range").and_then(|value| value.trim().strip_prefix("bytes "));
        let first = range.and_then(|range| range.split('-').next()?.parse::<u64>().ok());
        let size = range.and_then(|range| range.rsplit('/').next()).unwrap_or("*");
        let right = first == Some(self.position) && (size == "*" || size == self.size.to_string());
        match right {
            true => Ok(()),
            false => Err(Error::Malformed {
                address: answer.address.to_string(),
                reason: "it sent another range than it was asked for".to_owned(),
            }),
        }
    }
}

impl Read for BlobReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.fill(buffer).map_err(io::Error::other)
    }
}

/// Takes our own error out of the one that a reader has to return.
pub(crate) fn into_error(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(source) => Error::Read { what: "blob".to_owned(), source },
    }
}

fn broken(address: &str, error: &io::Error) -> Error {
    Error::Broken { address: address.to_owned(), source: Cause(error.to_string()) }
}
